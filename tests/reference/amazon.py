"""Invented lines in the real layouts of Amazon Reviews, and a naive reader of them."""

import ast
import csv
import gzip
import io
import json

USERS = {
    "2014": ["A3AF8FFZAZYNE5", "AH2IFH762VY5U", "#oc-R11D9D7SHXIJB9"],
    "2018": ["A3AF8FFZAZYNE5", "AH2IFH762VY5U", "A1A5GUVN9QN3UT"],
    "2023": ["AGKHLEW2SOWHNMFQIJGBECAF7INQ", "AE23ZBUF2YVBQPH2NN6F5XSA3QYQ", "AHV6QCN"],
}
ITEMS = ["B00813GRG4", "0594481813", "B0001ZWZ7Y", "155319247X"]
# (user, item, rating, second): a repeated review, and items without metadata
REVIEWS = [
    (0, 0, 5, 1_400_000_000),
    (1, 1, 4, 1_300_000_000),
    (0, 0, 3, 1_410_000_000),
    (2, 2, 1, 1_350_000_000),
    (1, 3, 5, 1_360_000_000),
    (0, 0, 5, 1_400_000_000),
]


def csv_text(release, *, end="\n", quote=False):
    """Return a ratings file as it is published."""
    users = USERS[release]
    lines = ["user_id,parent_asin,rating,timestamp"] if release == "2023" else []
    for user, item, rating, second in REVIEWS:
        pair = [users[user], ITEMS[item]]
        if release == "2018":
            pair = pair[::-1]
        time = f"{second}123" if release == "2023" else str(second)
        cells = [*pair, f"{rating}.0", time]
        lines.append(
            ",".join(f'"{cell}"' for cell in cells) if quote else ",".join(cells)
        )
    return end.join([*lines, ""])


def json_text(release, *, end="\n"):
    """Return a file of reviews as it is published."""
    lines = []
    for at, (user, item, rating, second) in enumerate(REVIEWS):
        name, asin = USERS[release][user], ITEMS[item]
        text = 'Good "tea", süß & 茶\u2028 {user} \\ \n end'
        if release == "2023":
            row = {"rating": float(rating), "title": "T", "text": text, "images": []}
            row |= {"asin": "B09VARIANT", "parent_asin": asin, "user_id": name}
            row |= {"timestamp": second * 1000 + 123, "helpful_vote": 0}
            row |= {"verified_purchase": True}
        else:
            row = {"reviewerID": name, "asin": asin, "reviewText": text}
            row |= {"overall": float(rating), "summary": "s", "unixReviewTime": second}
            row |= {"helpful": [0, 1]} if release == "2014" else {"verified": True}
            if at % 2:  # fields that some lines lack
                row |= {"reviewerName": "N", "style": {"Size:": " 12"}}
                row.pop("summary")
        lines.append(json.dumps(row, ensure_ascii=at % 2 == 0))
    return end.join([*lines, ""])


META = {
    "2014": [
        {
            "asin": ITEMS[0],
            "title": 'Ty\'s Best "Tea" &amp; Süßes',
            "price": 5.98,
            "imUrl": "http://images.example/a.jpg",
            "related": {"also_bought": ["0061430765"]},
            "salesRank": {"Grocery": 326205},
            "brand": "Twinings",
            "categories": [["Grocery", "Tea"], ["Grocery", "Green | Tea"]],
            "description": "Line one\nline <b>two</b> 3 < 4 \\d",
        },
        {
            "asin": ITEMS[1],
            "categories": [["Books"]],
            "imUrl": "http://x/no-img-sm.gif",
        },
        {"asin": ITEMS[2], "title": "Bare"},
        {"asin": "B00UNRATED", "title": "Nobody's", "categories": [["Grocery"]]},
    ],
    "2018": [
        {
            "asin": ITEMS[0],
            "title": "Best Tea",
            "brand": "Twinings",
            "category": ["Grocery", "Tea"],
            "description": ["One.", "", "Two<br/>three"],
            "feature": ["Hot", "Cold"],
            "price": "$4.99",
            "rank": [">#2,623,937 in Toys"],
            "also_buy": [],
            "imageURL": ["https://images.example/a._SS40_.jpg"],
            "imageURLHighRes": ["https://images.example/a.jpg"],
        },
        {
            "asin": ITEMS[1],
            "title": "var aPageStart = (new Date()).getTime();",
            "price": ".a-box-inner{background-color:#fff}#alohaBuyBoxWidget",
            "imageURL": ["https://images.example/b._SS40_.jpg"],
            "imageURLHighRes": [],
            "main_cat": "Toys &amp; Games",
        },
        {"asin": ITEMS[0], "title": "Best Tea, repeated", "category": ["Grocery"]},
        {"asin": ITEMS[2], "title": "", "price": "$1.00 - $2,000.50", "category": []},
        {"asin": "B00UNRATED", "title": "Nobody's", "imageURL": ["not an address"]},
    ],
    "2023": [
        {
            "parent_asin": ITEMS[0],
            "title": "Best Tea",
            "main_category": "Grocery",
            "store": "Twinings",
            "categories": ["Grocery", "Tea"],
            "description": [],
            "features": ["Hot", "Cold"],
            "price": 64.9,
            "images": [
                {"thumb": "https://images.example/t.jpg", "variant": "BACK"},
                {
                    "thumb": "https://images.example/t2.jpg",
                    "large": "https://images.example/l2.jpg",
                    "hi_res": None,
                    "variant": "MAIN",
                },
            ],
            "details": {"Brand": "Other"},
        },
        {
            "parent_asin": ITEMS[1],
            "title": None,
            "main_category": "Books",
            "categories": [],
            "price": "—",
            "images": [{"hi_res": "https://images.example/h.jpg", "large": None}],
            "store": None,
        },
        {"parent_asin": ITEMS[2], "price": "from 10.99", "images": []},
    ],
}
# item -> title, brand, categories, description, features, price, address of the image
EXPECTED = {
    "2014": {
        ITEMS[0]: (
            'Ty\'s Best "Tea" & Süßes',
            "Twinings",
            "Grocery|Tea|Green | Tea",
            "Line one line two 3 < 4 \\d",
            None,
            "$5.98",
            "http://images.example/a.jpg",
        ),
        ITEMS[1]: (None, None, "Books", None, None, None, None),
        ITEMS[2]: ("Bare", None, None, None, None, None, None),
    },
    "2018": {
        ITEMS[0]: (
            "Best Tea",
            "Twinings",
            "Grocery|Tea",
            "One. Two three",
            "Hot Cold",
            "$4.99",
            "https://images.example/a.jpg",
        ),
        ITEMS[1]: (
            None,
            None,
            "Toys & Games",
            None,
            None,
            None,
            "https://images.example/b._SS40_.jpg",
        ),
        ITEMS[2]: (None, None, None, None, None, "$1.00 - $2,000.50", None),
    },
    "2023": {
        ITEMS[0]: (
            "Best Tea",
            "Twinings",
            "Grocery|Tea",
            None,
            "Hot Cold",
            "$64.90",
            "https://images.example/l2.jpg",
        ),
        ITEMS[1]: (
            None,
            None,
            "Books",
            None,
            None,
            None,
            "https://images.example/h.jpg",
        ),
        ITEMS[2]: (None, None, None, None, None, "from 10.99", None),
    },
}


def meta_text(release, *, end="\n"):
    """Return a metadata file as it is published; 2014 writes Python literals."""
    write = repr if release == "2014" else json.dumps
    return end.join([*map(write, META[release]), ""])


def write(path, text, *, compressed=False):
    """Write a text without any change of line ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    path.write_bytes(gzip.compress(content) if compressed else content)
    return path


def naive_reviews(release, text):
    """Return (user, item, rating, second) of each review, one line after the other."""
    rows = []
    if text.lstrip().startswith("{"):
        for line in text.split("\n"):
            if line.strip():
                row = json.loads(line) if '"' in line[:2] else ast.literal_eval(line)
                user = row.get("user_id") or row.get("reviewerID")
                item = row.get("parent_asin") or row.get("asin")
                time = row.get("timestamp", row.get("unixReviewTime"))
                rows.append((user, item, row.get("rating", row.get("overall")), time))
    else:
        for row in csv.reader(io.StringIO(text, newline="")):
            if row and row[0] != "user_id":
                user, item = row[:2] if release != "2018" else (row[1], row[0])
                rows.append((user, item, float(row[2]), int(row[3])))
    scale = 1000 if release == "2023" else 1
    return [(user, item, rating, time // scale) for user, item, rating, time in rows]
