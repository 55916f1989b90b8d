"""Every preset against the published tables, row by row.

The tables are typed here as their sources have them: ids and names of
mcordts/cityscapesScripts (labels.py), CSAILVision (object150_info.csv), panopticapi
(panoptic_coco_categories.json), nightrome/cocostuff (labels.txt),
facebookresearch/Mask2Former (register_mapillary_vistas.py),
alexgkendall/SegNet-Tutorial (test_segmentation_camvid.py); ADE20K's colours of
google-research/deeplab2 (ade20k_constants.py).
"""

import numpy as np
import pytest

from maskbeam.transforms import class_files, classes

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

# In order of their ids, as hexadecimal RGB.
ADE20K_COLORS = """
787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07
96053d 787846 08ff33 ff0652 8fff8c ccff04 ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff
ff0747 ff09e0 0907e6 dcdcdc ff095c 7009ff 08ffd6 07ffe0 ffb806 0aff47 ff290a 07ffff
e0ff08 6608ff ff3d06 ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff eb0cff a09614 00a3ff
8c8c8c fa0a0f 14ff00 1fff00 ff1f00 ffe000 99ff00 0000ff ff4700 00ebff 00adff 1f00ff
0bc8c8 ff5200 00fff5 003dff 00ff70 00ff85 ff0000 ffa300 ff6600 c2ff00 008fff 33ff00
0052ff 00ff29 00ffad 0a00ff adff00 00ff99 ff5c00 ff00ff ff00f5 ff0066 ffad00 ff0014
ffb8b8 001fff 00ff3d 0047ff ff00cc 00ffc2 00ff52 000aff 0070ff 3300ff 00c2ff 007aff
00ffa3 ff9900 00ff0a ff7000 8fff00 5200ff a3ff00 ffeb00 08b8aa 8500ff 00ff5c b800ff
ff001f 00b8ff 00d6ff ff0070 5cff00 00e0ff 70e0ff 46b8a0 a300ff 9900ff 47ff00 ff00a3
ffcc00 ff008f 00ffeb 85ff00 ff00eb f500ff ff007a fff500 0abed4 d6ff00 00ccff 1400ff
ffff00 0099ff 0029ff 00ffcc 2900ff 29ff00 ad00ff 00f5ff 4700ff 7a00ff 00ffb8 005cff
b8ff00 0085ff ffd600 19c2c2 66ff00 5c00ff
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

CAMVID11 = """
sky 128 128 128|building 128 0 0|pole 192 192 128|road 128 64 128|pavement 60 40 222
tree 128 128 0|sign_symbol 192 128 128|fence 64 64 128|car 64 0 128
pedestrian 64 64 0|bicyclist 0 128 192
"""

# In order of their ids; colours in hexadecimal.
MAPILLARY = """
Bird a52a2a|Ground Animal 00c000|Curb c4c4c4|Fence be9999|Guard Rail b4a5b4
Barrier 5a7896|Wall 66669c|Bike Lane 8040ff|Crosswalk - Plain 8c8cc8|Curb Cut aaaaaa
Parking faaaa0|Pedestrian Area 606060|Rail Track e6968c|Road 804080
Service Lane 6e6e6e|Sidewalk f423e8|Bridge 966464|Building 464646|Tunnel 96785a
Person dc143c|Bicyclist ff0000|Motorcyclist ff0064|Other Rider ff00c8
Lane Marking - Crosswalk c88080|Lane Marking - General ffffff|Mountain 40aa40
Sand e6a032|Sky 4682b4|Snow beffff|Terrain 98fb98|Vegetation 6b8e23|Water 00aa1e
Banner ffff80|Bench fa001e|Bike Rack 648cb4|Billboard dcdcdc|Catch Basin dc8080
CCTV Camera de2828|Fire Hydrant 64aa1e|Junction Box 282828|Mailbox 212121
Manhole 6480a0|Phone Booth 8e0000|Pothole 466496|Street Light d2aa64|Pole 999999
Traffic Sign Frame 808080|Utility Pole 000050|Traffic Light faaa1e
Traffic Sign (Back) c0c0c0|Traffic Sign (Front) dcdc00|Trash Can 8c8c14
Bicycle 770b20|Boat 9600ff|Bus 003c64|Car 00008e|Caravan 00005a|Motorcycle 0000e6
On Rails 005064|Other Vehicle 804040|Trailer 00006e|Truck 000046|Wheeled Slow 0000c0
Car Mount 202020|Ego Vehicle 780a0a
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
    assert [_hex(c) for c in preset.classes] == ADE20K_COLORS.split()


def _hex(label_class):
    return bytes(label_class.color).hex()


def _named_colors(class_map):
    return [[c.name, *map(str, c.color)] for c in class_map.classes]


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
    assert [[c.name, *map(str, c.color or ())] for c in preset.classes] == _rows(
        CAMVID32
    )
    assert preset.ignore == (0,)
    assert preset.encoding == "color"


def test_camvid11_has_segnets_colors():
    preset = class_files.preset("camvid11")
    assert [[c.name, *map(str, c.color or ())] for c in preset.classes] == _rows(
        CAMVID11
    )


def test_mapillary_is_65_colors_and_its_own_ignore_label():
    preset = class_files.preset("mapillary")
    assert [c.ids for c in preset.classes] == [(i,) for i in range(65)]
    assert preset.ignore == (65,)
    assert len({c.color for c in preset.classes} | {(0, 0, 0)}) == 66
    rows = MAPILLARY.replace("|", "\n").strip().splitlines()
    assert [f"{c.name} {_hex(c)}" for c in preset.classes] == rows


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
