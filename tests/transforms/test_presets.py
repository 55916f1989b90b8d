"""Every preset against the published tables, row by row.

The tables are typed here as their sources have them: ids and names of
mcordts/cityscapesScripts (labels.py), CSAILVision (object150_info.csv), panopticapi
(panoptic_coco_categories.json), nightrome/cocostuff (labels.txt),
facebookresearch/Mask2Former (register_mapillary_vistas.py),
alexgkendall/SegNet-Tutorial (test_segmentation_camvid.py); ADE20K's colours of
google-research/deeplab2 (ade20k_constants.py). Of the others, the commits of their two
sources are in the presets: PASCAL-Context by the 459 labels' numbers and names, IDD by
all labels of anue_labels.py, CARLA by ObjectLabel.h and the colours of the documents.
"""

import re

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

# The 459 labels' numbers, in the order in which converters have them, and their names.
CONTEXT = """
0 2 259 260 415 324 9 258 144 18 19 22 23 397 25 284 158 159 416 33 162 420 454 295 296
427 44 45 46 308 59 440 445 31 232 65 354 424 68 326 72 458 34 207 80 355 85 347 220 349
360 98 187 104 105 366 189 368 113 115
"""
CONTEXT_NAMES = """
2 aeroplane|9 bag|18 bed|19 bedclothes|22 bench|23 bicycle|25 bird|31 boat
33 book|34 bottle|44 building|45 bus|46 cabinet|59 car|65 cat|68 ceiling
72 chair|80 cloth|85 computer|98 cow|104 cup|105 curtain|113 dog|115 door
144 fence|158 floor|159 flower|162 food|187 grass|189 ground|207 horse
220 keyboard|232 light|258 motorbike|259 mountain|260 mouse|284 person|295 plate
296 platform|308 pottedplant|324 road|326 rock|347 sheep|349 shelves
354 sidewalk|355 sign|360 sky|366 snow|368 sofa|397 table|415 track|416 train
420 tree|424 truck|427 tvmonitor|440 wall|445 water|454 window|458 wood
"""

LOVEDA = """
1 background 255 255 255|2 building 255 0 0|3 road 255 255 0|4 water 0 0 255
5 barren 159 129 183|6 forest 0 255 0|7 agriculture 255 195 128
"""

# As torchgeo has it for both, in its own order.
ISPRS = {"clutter": "ff0000", "impervious_surface": "ffffff", "building": "0000ff"}
ISPRS |= {"low_vegetation": "00ffff", "tree": "00ff00", "car": "ffff00"}

ISAID = """
ship 0 0 63|storage_tank 0 63 63|baseball_diamond 0 63 0|tennis_court 0 63 127
basketball_court 0 63 191|Ground_Track_Field 0 63 255|Bridge 0 127 63
Large_Vehicle 0 127 127|Small_Vehicle 0 0 127|Helicopter 0 0 191|Swimming_pool 0 0 255
Roundabout 0 191 127|Soccer_ball_field 0 127 191|plane 0 127 255|Harbor 0 100 155
"""

# level3Id and label, in order of the labels' own ids.
IDD = """
0 road|1 parking|1 drivable-fallback|2 sidewalk|3 rail-track|3 non~drivable-fallback
4 person|4 animal|5 rider|6 motorcycle|7 bicycle|8 autorickshaw|9 car|10 truck|11 bus
12 caravan|12 trailer|12 train|12 vehicle-fallback|13 curb|14 wall|15 fence
16 guard-rail|17 billboard|18 traffic-sign|19 traffic-light|20 pole|20 polegroup
21 obs~str~bar~fallback|22 building|23 bridge|23 tunnel|24 vegetation|25 sky
25 fallback-background|255 unlabeled|255 ego-vehicle|255 rectification-border
255 out-of-roi|255 license-plate
"""

DEEPGLOBE = """
urban_land 0 255 255|agriculture_land 255 255 0|rangeland 255 0 255|forest_land 0 255 0
water 0 0 255|barren_land 255 255 255
"""

RELLIS = """
1 dirt 108 64 20|3 grass 0 102 0|4 tree 0 255 0|5 pole 0 153 153|6 water 0 128 255
7 sky 0 0 255|8 vehicle 255 255 0|9 object 255 0 127|10 asphalt 64 64 64
12 building 255 0 0|15 log 102 0 0|17 person 204 153 255|18 fence 102 0 204
19 bush 255 153 204|23 concrete 170 170 170|27 barrier 41 121 255|31 puddle 134 255 239
33 mud 99 66 34|34 rubble 110 22 138
"""

CARLA = """
0 Unlabeled 0 0 0|1 Roads 128 64 128|2 SideWalks 244 35 232|3 Building 70 70 70
4 Wall 102 102 156|5 Fence 190 153 153|6 Pole 153 153 153|7 TrafficLight 250 170 30
8 TrafficSign 220 220 0|9 Vegetation 107 142 35|10 Terrain 152 251 152|11 Sky 70 130 180
12 Pedestrian 220 20 60|13 Rider 255 0 0|14 Car 0 0 142|15 Truck 0 0 70|16 Bus 0 60 100
17 Train 0 80 100|18 Motorcycle 0 0 230|19 Bicycle 119 11 32|20 Static 110 190 160
21 Dynamic 170 120 50|22 Other 55 90 80|23 Water 45 60 150|24 RoadLine 157 234 50
25 Ground 81 0 81|26 Bridge 150 100 100|27 RailTrack 230 150 140
28 GuardRail 180 165 180
"""

CARLA_0_9_13 = """
0 Unlabeled 0 0 0|1 Buildings 70 70 70|2 Fences 100 40 40|3 Other 55 90 80
4 Pedestrians 220 20 60|5 Poles 153 153 153|6 RoadLines 157 234 50|7 Roads 128 64 128
8 Sidewalks 244 35 232|9 Vegetation 107 142 35|10 Vehicles 0 0 142|11 Walls 102 102 156
12 TrafficSigns 220 220 0|13 Sky 70 130 180|14 Ground 81 0 81|15 Bridge 150 100 100
16 RailTrack 230 150 140|17 GuardRail 180 165 180|18 TrafficLight 250 170 30
19 Static 110 190 160|20 Dynamic 170 120 50|21 Water 45 60 150|22 Terrain 145 170 100
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


def test_oxford_pets_are_pet_background_border():
    preset = class_files.preset("oxford_pets")
    assert _ids_and_names(preset) == [
        ((1,), "pet"),
        ((2,), "background"),
        ((3,), "border"),
    ]
    assert preset.ignore == ()


def test_pascal_context_is_in_the_order_of_the_labels_numbers():
    numbers = sorted(map(int, CONTEXT.split()))
    names = {int(number): name for number, name in _rows(CONTEXT_NAMES)} | {
        0: "background"
    }
    assert numbers == sorted(names)
    assert _ids_and_names(class_files.preset("pascal_context")) == [
        ((i,), names[number]) for i, number in enumerate(numbers)
    ]


@pytest.mark.parametrize(
    ("name", "table", "ignore"),
    [
        ("loveda", LOVEDA, (0,)),
        ("rellis", RELLIS, (0,)),
        ("carla", CARLA, ()),
        ("carla_0_9_13", CARLA_0_9_13, ()),
    ],
)
def test_ids_names_and_colors_are_the_tables(name, table, ignore):
    preset = class_files.preset(name)
    assert [
        [str(c.ids[0]), c.name, *map(str, c.color or ())] for c in preset.classes
    ] == _rows(table)
    assert preset.ignore == ignore


@pytest.mark.parametrize("name", ["potsdam", "vaihingen"])
def test_the_colors_of_isprs_are_red_green_blue(name):
    preset = class_files.preset(name)
    assert {c.name: _hex(c) for c in preset.classes} == ISPRS
    # OpenMMLab's order, and DeepNetsForEO's.
    assert preset.names[0] == "impervious_surface"
    assert preset.names[-1] == "clutter"
    assert preset.ignore == (0,)


def test_isaid_is_its_colors_and_the_background():
    preset = class_files.preset("isaid")
    assert _named_colors(preset) == [["background", "0", "0", "0"], *_rows(ISAID)]


def test_deepglobe_is_its_colors_at_a_threshold():
    preset = class_files.preset("deepglobe")
    assert _named_colors(preset) == _rows(DEEPGLOBE)
    assert (preset.ignore, preset.threshold) == ((0,), 128)


# In the order of ids, and of drawing.
CELEBAMASK_HQ = [
    "skin",
    "nose",
    "eye_g",
    "l_eye",
    "r_eye",
    "l_brow",
    "r_brow",
    "l_ear",
    "r_ear",
    "mouth",
    "u_lip",
    "l_lip",
    "hair",
    "hat",
    "ear_r",
    "neck_l",
    "neck",
    "cloth",
]


def test_celebamask_hq_is_drawn_in_the_order_of_its_ids():
    preset = class_files.preset("celebamask_hq")
    assert preset.names == ["background", *CELEBAMASK_HQ]
    assert [c.ids for c in preset.classes] == [(i,) for i in range(19)]
    assert preset.layers == tuple((n, i) for i, n in enumerate(CELEBAMASK_HQ, 1))
    assert preset.under_layers == 0


def test_gta5_is_cityscapes_and_a_licence_plate():
    preset, city = (class_files.preset(name) for name in ("gta5", "cityscapes"))
    assert preset.classes == city.classes
    assert preset.ignore == (*city.ignore, 34)


def test_bdd100k_is_cityscapes_by_trainids():
    preset, city = (
        class_files.preset(name) for name in ("bdd100k", "cityscapes_trainids")
    )
    assert (preset.classes, preset.ignore) == (city.classes, (255,))


def test_idd_is_its_labels_of_level_3():
    preset = class_files.preset("idd")
    names: dict[int, list[str]] = {}
    for level, label in _rows(IDD):
        name = label.replace("-", " ").replace("~", "-")
        names.setdefault(int(level), []).append(name)
    assert preset.ignore == (255,)
    assert [c.ids for c in preset.classes] == [(i,) for i in range(26)]
    for label_class in preset.classes:
        assert label_class.name in names[label_class.ids[0]]


def test_carlas_colors_are_a_map_too():
    for name in ("carla", "carla_0_9_13"):
        made = class_files.parse_class_map(
            f"{{name: m, base: {name}, encoding: color}}", "here"
        )
        base = class_files.preset(name)
        assert [c.color for c in made.classes] == [c.color for c in base.classes]


@pytest.mark.parametrize(
    "name",
    ["oxford_pets", "pascal_context", "loveda", "potsdam", "vaihingen", "isaid", "gta5"]
    + ["bdd100k", "idd", "deepglobe", "rellis", "carla", "carla_0_9_13"]
    + ["celebamask_hq"],
)
def test_two_sources_are_cited_at_commits(name):
    head = class_files.preset_yaml(name).partition("\nname:")[0]
    cited = re.findall(r"([\w.-]+/[\w.-]+)@[0-9a-f]{7}\b", head)
    assert len(cited) >= 2


def test_binary_takes_both_common_forms():
    preset = class_files.preset("binary")
    table = preset.forward_table(8)
    assert (table[0], table[1], table[255]) == (0, 1, 1)
    assert (table[2:255] == classes.UNKNOWN).all()
    # In 8 bits, and ignored pixels are not read back as a class.
    np.testing.assert_array_equal(preset.inverse_table(), [0, 255, 254])
    assert table[254] == classes.UNKNOWN


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
