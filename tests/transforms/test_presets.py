"""Every preset against the published tables, row by row.

The tables are typed here as their sources have them: ids and names of
mcordts/cityscapesScripts (labels.py), CSAILVision (object150_info.csv), panopticapi
(panoptic_coco_categories.json), nightrome/cocostuff (labels.txt).
"""

import numpy as np
import pytest

from transforms import class_files, classes

CITYSCAPES = """
7 road 128 64 128|8 sidewalk 244 35 232|11 building 70 70 70|12 wall 102 102 156
13 fence 190 153 153|17 pole 153 153 153|19 traffic-light 250 170 30
20 traffic-sign 220 220 0|21 vegetation 107 142 35|22 terrain 152 251 152
23 sky 70 130 180|24 person 220 20 60|25 rider 255 0 0|26 car 0 0 142|27 truck 0 0 70
28 bus 0 60 100|31 train 0 80 100|32 motorcycle 0 0 230|33 bicycle 119 11 32
"""

VOC = """
background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog
horse motorbike person pottedplant sheep sofa train tvmonitor
"""

ADE20K = """
wall building sky floor tree ceiling road bed windowpane grass cabinet sidewalk person
earth door table mountain plant curtain chair car water painting sofa shelf house sea
mirror rug field armchair seat fence desk rock wardrobe lamp bathtub railing cushion
base box column signboard chest-of-drawers counter sand sink skyscraper fireplace
refrigerator grandstand path stairs runway case pool-table pillow screen-door stairway
river bridge bookcase blind coffee-table toilet flower book hill bench countertop
stove palm kitchen-island computer swivel-chair boat bar arcade-machine hovel bus
towel light truck tower chandelier awning streetlight booth television airplane
dirt-track apparel pole land bannister escalator ottoman bottle buffet poster stage
van ship fountain conveyer-belt canopy washer plaything swimming-pool stool barrel
basket waterfall tent bag minibike cradle oven ball food step tank trade-name
microwave pot animal bicycle lake dishwasher screen blanket sculpture hood sconce vase
traffic-light tray ashcan fan pier crt-screen plate monitor bulletin-board shower
radiator glass clock flag
"""

# The 80 things of COCO, by category id; the ids between them are of no class.
THINGS = """
person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant
- stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra
giraffe - backpack umbrella - - handbag tie suitcase frisbee skis snowboard
sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle
- wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot
hot_dog pizza donut cake chair couch potted_plant bed - dining_table - - toilet - tv
laptop mouse remote keyboard cell_phone microwave oven toaster sink refrigerator -
book clock vase scissors teddy_bear hair_drier toothbrush
"""

PANOPTIC_STUFF = {
    **{92: "banner", 93: "blanket", 95: "bridge", 100: "cardboard", 107: "counter"},
    **{109: "curtain", 112: "door-stuff", 118: "floor-wood", 119: "flower"},
    **{122: "fruit", 125: "gravel", 128: "house", 130: "light", 133: "mirror-stuff"},
    **{138: "net", 141: "pillow", 144: "platform", 145: "playingfield"},
    **{147: "railroad", 148: "river", 149: "road", 151: "roof", 154: "sand"},
    **{155: "sea", 156: "shelf", 159: "snow", 161: "stairs", 166: "tent"},
    **{168: "towel", 171: "wall-brick", 175: "wall-stone", 176: "wall-tile"},
    **{177: "wall-wood", 178: "water-other", 180: "window-blind"},
    **{181: "window-other", 184: "tree-merged", 185: "fence-merged"},
    **{186: "ceiling-merged", 187: "sky-other-merged", 188: "cabinet-merged"},
    **{189: "table-merged", 190: "floor-other-merged", 191: "pavement-merged"},
    **{192: "mountain-merged", 193: "grass-merged", 194: "dirt-merged"},
    **{195: "paper-merged", 196: "food-other-merged", 197: "building-other-merged"},
    **{198: "rock-merged", 199: "wall-other-merged", 200: "rug-merged"},
}

STUFF = """
banner blanket branch bridge building-other bush cabinet cage cardboard carpet
ceiling-other ceiling-tile cloth clothes clouds counter cupboard curtain desk-stuff
dirt door-stuff fence floor-marble floor-other floor-stone floor-tile floor-wood
flower fog food-other fruit furniture-other grass gravel ground-other hill house
leaves light mat metal mirror-stuff moss mountain mud napkin net paper pavement pillow
plant-other plastic platform playingfield railing railroad river road rock roof rug
salad sand sea shelf sky-other skyscraper snow solid-other stairs stone straw
structural-other table tent textile-other towel tree vegetable wall-brick
wall-concrete wall-other wall-panel wall-stone wall-tile wall-wood water-other
waterdrops window-blind window-other wood
"""

CAMVID32 = """
Animal 64 128 64|Archway 192 0 128|Bicyclist 0 128 192|Bridge 0 128 64
Building 128 0 0|Car 64 0 128|CartLuggagePram 64 0 192|Child 192 128 64
Column_Pole 192 192 128|Fence 64 64 128|LaneMkgsDriv 128 0 192
LaneMkgsNonDriv 192 0 64|Misc_Text 128 128 64|MotorcycleScooter 192 0 192
OtherMoving 128 64 64|ParkingBlock 64 192 128|Pedestrian 64 64 0|Road 128 64 128
RoadShoulder 128 128 192|Sidewalk 0 0 192|SignSymbol 192 128 128|Sky 128 128 128
SUVPickupTruck 64 128 192|TrafficCone 0 0 64|TrafficLight 0 64 64|Train 192 64 128
Tree 128 128 0|Truck_Bus 192 128 192|Tunnel 64 0 64|VegetationMisc 192 192 0
Wall 64 192 0
"""


def _rows(table):
    return [row.split() for row in table.replace("|", "\n").strip().splitlines()]


def _ids_and_names(preset):
    return [(c.ids, c.name) for c in preset.classes]


def test_cityscapes_is_the_table_of_its_scripts():
    preset, trained = (
        class_files.preset(name) for name in ("cityscapes", "cityscapes_trainids")
    )
    rows = _rows(CITYSCAPES)
    expected = [((int(i),), name.replace("-", " ")) for i, name, *_ in rows]
    assert _ids_and_names(preset) == expected
    assert [c.color for c in preset.classes] == [
        tuple(map(int, color)) for _, _, *color in rows
    ]
    # All 34 ids that a file can hold mean something.
    assert sorted(preset.values) == list(range(34))
    assert trained.names == preset.names
    assert [c.ids for c in trained.classes] == [(i,) for i in range(19)]
    assert trained.ignore == (255,)
    # labels.py: of trainId 255 the inverse is the first label of the list.
    assert preset.inverse_table()[-1] == 0


def test_voc_is_the_development_kits_color_map():
    preset = class_files.preset("voc2012")
    assert _ids_and_names(preset) == [
        ((i,), name) for i, name in enumerate(VOC.split())
    ]
    assert preset.ignore == (255,)
    for number, label_class in enumerate(preset.classes):
        color = [0, 0, 0]
        for j in range(8):
            for channel in range(3):
                color[channel] |= (number >> (3 * j + channel) & 1) << (7 - j)
        assert label_class.color == tuple(color)


def test_ade20k_is_in_both_conventions():
    preset = class_files.preset("ade20k")
    other = class_files.preset("ade20k_with_other")
    assert _ids_and_names(preset) == [
        ((i + 1,), n) for i, n in enumerate(ADE20K.split())
    ]
    assert preset.ignore == (0,)
    assert _ids_and_names(other) == [
        ((i,), n) for i, n in enumerate(["other", *ADE20K.split()])
    ]
    assert other.ignore == ()
    assert other.classes[1:] == preset.classes
    by_name = {c.name: c.color for c in preset.classes}
    assert by_name["road"] == by_name["skyscraper"] == (140, 140, 140)
    assert by_name["wall"] == (120, 120, 120)
    assert by_name["flag"] == (92, 0, 255)


def _things(first):
    return [
        ((number,), name.replace("_", " "))
        for number, name in enumerate(THINGS.split(), first)
        if name != "-"
    ]


def test_coco_panoptic_is_80_things_then_53_stuff():
    preset = class_files.preset("coco_panoptic")
    stuff = [((number,), name) for number, name in PANOPTIC_STUFF.items()]
    assert _ids_and_names(preset) == _things(1) + stuff
    assert preset.num_classes == 133
    assert preset.ignore == (0,)


def test_coco_stuff_is_the_official_id_less_one():
    preset = class_files.preset("coco_stuff")
    stuff = [((number,), name) for number, name in enumerate(STUFF.split(), 91)]
    assert _ids_and_names(preset) == _things(0) + stuff
    assert preset.num_classes == 171
    assert preset.ignore == (255,)
    # Those without annotations, by cocostuff's README.
    absent = set(range(182)) - set(preset.values)
    assert absent == {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}


def test_camvid32_is_its_colors():
    preset = class_files.preset("camvid32")
    assert [[c.name, *map(str, c.color)] for c in preset.classes] == _rows(CAMVID32)
    assert preset.ignore == (0,)
    assert preset.encoding == "color"


def test_mapillary_is_65_colors_and_its_own_ignore_label():
    preset = class_files.preset("mapillary")
    assert [c.ids for c in preset.classes] == [(i,) for i in range(65)]
    assert preset.ignore == (65,)
    assert len({c.color for c in preset.classes} | {(0, 0, 0)}) == 66
    wanted = {
        0: ("Bird", (165, 42, 42)),
        8: ("Crosswalk - Plain", (140, 140, 200)),
        13: ("Road", (128, 64, 128)),
        19: ("Person", (220, 20, 60)),
        49: ("Traffic Sign (Back)", (192, 192, 192)),
        50: ("Traffic Sign (Front)", (220, 220, 0)),
        55: ("Car", (0, 0, 142)),
        64: ("Ego Vehicle", (120, 10, 10)),
    }
    for number, named in wanted.items():
        label_class = preset.classes[number]
        assert (label_class.name, label_class.color) == named


def test_binary_takes_both_common_forms():
    preset = class_files.preset("binary")
    table = preset.forward_table(8)
    assert (table[0], table[1], table[255]) == (0, 1, 1)
    assert (table[2:255] == classes.UNKNOWN).all()
    np.testing.assert_array_equal(preset.inverse_table()[:2], [0, 255])


@pytest.mark.parametrize("name", class_files.preset_names())
def test_inverse_undoes_forward_on_every_class(name):
    preset = class_files.preset(name)
    values = list(preset.values)
    inverse = preset.inverse_table()
    for index, label_class in enumerate(preset.classes):
        value = label_class.ids[0]
        place = values.index(value) if preset.encoding == "color" else value
        assert preset.forward_table(16)[place] == index
        assert inverse[index] == value
