"""The words of the shop: departments, leaf categories, brands and what their articles are called.

The order of `LEAVES` matters: a small shop uses the first ones only, and pairs that are bought together stand next
to each other so that they come and go as pairs.
"""

from dataclasses import dataclass

SAND = ("sand", "slate", "oat", "sage", "rust", "ink blue", "chalk", "moss", "plum", "clay")
BRIGHT = ("sunflower", "teal", "coral", "white", "navy", "olive", "blush", "charcoal", "mint", "cherry")


@dataclass(frozen=True)
class Leaf:
    """A leaf category: a title is collection, kind, noun and variant, such as `Harbour linen duvet cover, sand`."""

    department: str
    name: str
    kinds: tuple[str, ...]
    nouns: tuple[str, ...]
    variants: tuple[str, ...]
    price: float
    pair: str = ""
    consumable: bool = False
    pieces: int = 1

    @property
    def path(self) -> str:
        return f"{self.department} > {self.name}"


LEAVES = (
    Leaf("Bedroom", "Duvet covers", ("linen", "washed cotton", "percale", "flannel", "bamboo"),
         ("duvet cover", "duvet set"), SAND, 69, "Pillowcases"),
    Leaf("Bedroom", "Pillowcases", ("linen", "washed cotton", "percale", "satin", "silk"),
         ("pillowcase", "pillowcase pair"), SAND, 19, "Duvet covers", pieces=2),
    Leaf("Pantry", "Coffee", ("whole bean", "ground", "decaf", "single origin", "organic"),
         ("coffee", "espresso"),
         ("dark roast", "light roast", "medium roast", "hazelnut", "cocoa notes", "citrus notes"),
         9, "Mugs", consumable=True),
    Leaf("Kitchen", "Mugs", ("stoneware", "porcelain", "enamel", "glass", "speckled"),
         ("mug", "espresso cup"), BRIGHT, 12, "Coffee", pieces=2),
    Leaf("Office", "Notebooks", ("dotted", "ruled", "plain", "recycled", "hardback"),
         ("notebook", "journal"), BRIGHT, 11, "Pens"),
    Leaf("Office", "Pens", ("gel", "brass", "fountain", "felt tip", "ballpoint"),
         ("pen", "pen set"), BRIGHT, 8, "Notebooks"),
    Leaf("Household", "Laundry", ("sensitive", "concentrated", "wool", "colour", "plant based"),
         ("laundry liquid", "laundry tablets"), ("lavender", "sea salt", "unscented", "cotton", "fig", "pine"),
         10, consumable=True),
    Leaf("Pets", "Dog food", ("grain free", "adult", "puppy", "senior", "small breed"),
         ("dry dog food", "wet dog food"), ("chicken", "lamb", "salmon", "turkey", "duck", "beef"),
         24, "Dog toys", consumable=True),
    Leaf("Pets", "Dog toys", ("rope", "rubber", "plush", "squeaky", "floating"),
         ("dog toy", "fetch ball"), BRIGHT, 9, "Dog food"),
    Leaf("Living", "Cushions", ("velvet", "boucle", "linen", "corduroy", "embroidered"),
         ("cushion", "cushion cover"), SAND, 28, "Throws", pieces=2),
    Leaf("Living", "Throws", ("wool", "chunky knit", "fringed", "fleece", "alpaca"),
         ("throw", "blanket"), SAND, 49, "Cushions"),
    Leaf("Garden", "Planters", ("terracotta", "zinc", "glazed", "hanging", "self watering"),
         ("planter", "plant pot"), SAND, 22, "Seeds"),
    Leaf("Garden", "Seeds", ("heirloom", "organic", "easy grow", "windowsill", "bee friendly"),
         ("seed packet", "seed collection"), ("tomato", "basil", "wildflower", "sweet pea", "chard", "nasturtium"),
         4, "Planters", pieces=2),
    Leaf("Bath", "Towels", ("waffle", "ribbed", "Turkish", "organic cotton", "quick dry"),
         ("bath towel", "hand towel"), SAND, 18, "Bath mats", pieces=2),
    Leaf("Bath", "Bath mats", ("tufted", "memory foam", "cork", "woven", "reversible"),
         ("bath mat", "shower mat"), SAND, 21, "Towels"),
    Leaf("Bath", "Soap", ("olive oil", "goat milk", "exfoliating", "shea", "charcoal"),
         ("soap bar", "hand wash"), ("rose", "mint", "oat", "cedar", "grapefruit", "unscented"), 6, consumable=True),
    Leaf("Pantry", "Tea", ("loose leaf", "bagged", "cold brew", "organic", "first flush"),
         ("tea", "infusion"), ("earl grey", "peppermint", "rooibos", "assam", "jasmine", "ginger"),
         7, "Teapots", consumable=True),
    Leaf("Kitchen", "Teapots", ("cast iron", "glass", "stoneware", "porcelain", "enamel"),
         ("teapot", "tea set"), BRIGHT, 34, "Tea"),
    Leaf("Kitchen", "Knives", ("forged", "Damascus", "ceramic", "carbon steel", "serrated"),
         ("chef's knife", "paring knife"), ("walnut", "black", "oak", "pakka", "white", "ash"), 39, "Chopping boards"),
    Leaf("Kitchen", "Chopping boards", ("end grain", "bamboo", "acacia", "slate", "folding"),
         ("chopping board", "serving board"), ("small", "large", "round", "with groove", "with handle", "paddle"),
         27, "Knives"),
    Leaf("Household", "Candles", ("soy", "beeswax", "pillar", "scented", "dinner"),
         ("candle", "candle trio"), ("fig", "amber", "linen", "cedar", "vanilla", "sea salt"), 14, "Candle holders",
         pieces=2),
    Leaf("Living", "Candle holders", ("brass", "glass", "marble", "iron", "ceramic"),
         ("candle holder", "lantern"), SAND, 18, "Candles"),
    Leaf("Household", "Dishwashing", ("all in one", "eco", "plastic free", "concentrated", "sensitive"),
         ("dishwasher tablets", "washing-up liquid"), ("lemon", "unscented", "apple", "mint", "orange", "lime"),
         8, consumable=True),
    Leaf("Bath", "Shampoo", ("repairing", "volume", "daily", "solid", "curl"),
         ("shampoo", "conditioner"), ("argan", "rosemary", "coconut", "birch", "aloe", "citrus"), 11, consumable=True),
    Leaf("Living", "Rugs", ("jute", "wool", "flatweave", "shaggy", "recycled"),
         ("rug", "runner"), SAND, 129),
    Leaf("Living", "Vases", ("fluted", "smoked glass", "stoneware", "bud", "tall"),
         ("vase", "carafe"), SAND, 26),
    Leaf("Office", "Desk lamps", ("brass", "clamp", "dimmable", "folding", "rechargeable"),
         ("desk lamp", "reading light"), BRIGHT, 59),
    Leaf("Kitchen", "Baking tins", ("non-stick", "steel", "silicone", "springform", "fluted"),
         ("cake tin", "loaf tin"), ("small", "medium", "large", "deep", "shallow", "mini"), 16),
    Leaf("Pantry", "Chocolate", ("dark", "milk", "single origin", "vegan", "filled"),
         ("chocolate bar", "chocolate box"), ("sea salt", "almond", "orange", "raspberry", "ginger", "plain"),
         5, consumable=True),
    Leaf("Garden", "Hand tools", ("stainless", "forged", "ash handled", "ladies'", "compact"),
         ("trowel", "secateurs"), BRIGHT, 19),
    Leaf("Pets", "Cat food", ("grain free", "indoor", "kitten", "senior", "sterilised"),
         ("dry cat food", "wet cat food"), ("chicken", "tuna", "salmon", "duck", "rabbit", "trout"),
         15, consumable=True),
    Leaf("Pets", "Pet beds", ("orthopaedic", "fleece", "wicker", "washable", "heated"),
         ("pet bed", "pet cushion"), SAND, 45),
)  # fmt: skip

BRANDS = (
    "Northbay", "Alder & Finch", "Castellan", "Wren House", "Moorland", "Pilot Goods", "Saltmarsh", "Tidewater",
    "Oakham", "Bellwether", "Lark Lane", "Kestrel", "Quarry & Co", "Greenhithe", "Half Acre", "Marlow",
)  # fmt: skip

COLLECTIONS = (
    "Harbour", "Fernhill", "Ashdown", "Meadow", "Linnet", "Copse", "Dune", "Ember", "Fjord", "Gable", "Hollow",
    "Isla", "Juniper", "Kiln", "Lantern", "Mallow", "Nettle", "Orchard", "Pebble", "Quill", "Reed", "Skerry",
    "Thistle", "Umber", "Vale", "Willow", "Yarrow", "Zephyr", "Bracken", "Cinder", "Drift", "Elm", "Foxglove",
    "Grove", "Heath", "Ivy", "Jetty", "Knoll", "Larch", "Mistral", "Oxbow", "Plover", "Rowan", "Sorrel", "Tarn",
    "Upland", "Verbena", "Wharf",
)  # fmt: skip

PRAISE = (
    "Made in small batches.", "A quiet favourite of ours.", "Good on its own, better in company.",
    "Made to be used every day.", "Comes in plain, recycled packaging.", "Chosen by our buyers this season.",
    "Simple, sturdy and easy to love.", "Our most asked-for of its kind.",
)  # fmt: skip

COUNTRIES = ("GB", "DE", "FR", "NL", "IE", "SE")
COUNTRY_SHARE = (0.52, 0.16, 0.12, 0.08, 0.07, 0.05)
DEVICES = ("mobile", "desktop", "tablet")
DEVICE_SHARE = (0.58, 0.34, 0.08)

DEPARTMENTS = tuple(dict.fromkeys(leaf.department for leaf in LEAVES))
