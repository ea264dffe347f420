"""Which words of CrossWOZ stand for which words of the travel data. Pure tables; used by crosswoz.py.

Each table is read from the top: the first (or every) entry whose pattern occurs in the text counts.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

Table = Sequence[tuple[str, str]]

CATEGORIES: Final[Table] = (
    ("great_wall", "长城"),
    ("zoo", "动物园|野生动物|海洋馆|海底世界"),
    ("science", "科技馆|科学技术馆|天文馆|汽车博物馆"),
    ("museum", "博物馆|纪念馆|美术馆|展览馆|艺术馆|故居|画廊|艺术中心"),
    ("theme_park", "游乐|欢乐谷|乐园|水世界|世界公园|嬉水|水魔方"),
    ("show", "剧院|剧场|大舞台|杂技"),
    ("park", "公园|坛"),
    ("temple", "寺|庙|道观|云观|教堂|天主堂|雍和宫"),
    ("street", "街|胡同|大栅栏"),
    ("nature", "山|峡|湖|谷|森林|湿地|水库|风景区|溶洞"),
    ("palace", "故宫|宫|殿|王府|陵"),
    ("garden", "园"),
)
CUISINES: Final[Table] = (
    ("素食", "素食|素斋"),
    ("烤鸭", "烤鸭|全聚德|便宜坊|四季民福"),
    ("火锅", "火锅|涮|海底捞|羊蝎子|呷哺"),
    ("快餐", "麦当劳|肯德基|永和大王|吉野家|德克士|庆丰包子|赛百味"),
    ("西餐", "比萨|披萨|必胜客|牛排|西餐|咖啡|汉堡|BURGER"),
    ("日料", "日本|日料|寿司|铁板烧"),
    ("韩餐", "韩国|石锅拌饭|汉拿山"),
    ("新疆菜", "新疆"),
    ("东北菜", "东北"),
    ("农家菜", "农家|虹鳟|柴鸡"),
    ("小吃", "小吃|炒肝|卤煮|爆肚|豆汁|火烧"),
    ("面食", "炸酱面|饺子|水饺|面馆|烧麦"),
    ("川菜", "川菜|麻辣|烤鱼|重庆|眉州"),
    ("粤菜", "粤|茶餐厅|海鲜"),
)
FACILITIES: Final[Table] = (
    ("wifi", "wifi|宽带上网"),
    ("restaurant", "中式餐厅|西式餐厅"),
    ("pool", "游泳池"),
    ("gym", "健身房"),
    ("luggage", "行李寄存"),
    ("laundry", "洗衣服务"),
    ("airport_pickup", "接机服务"),
    ("babysitting", "看护小孩"),
    ("accessible", "残疾人设施"),
    ("parking", "停车位"),
    ("non_smoking", "无烟房"),
)
STARS: Final[Mapping[str, str]] = {"豪华型": "5", "高档型": "4", "舒适型": "3", "经济型": "2"}


def first_word(table: Table, text: str, otherwise: str = "") -> str:
    """The word of the first entry that occurs in `text`."""
    return next((word for word, pattern in table if re.search(pattern, text)), otherwise)


def all_words(table: Table, text: str) -> str:
    """The words of all entries that occur in `text`, separated by `;`."""
    return ";".join(word for word, pattern in table if re.search(pattern, text))
