"""How the page and the pictures look: light and dark, on a phone and on paper."""

LIGHT = {
    "paper": "#ffffff",
    "card": "#ffffff",
    "line": "#e3e5ea",
    "grid": "#edeff3",
    "ink": "#191c22",
    "faint": "#697080",
    "accent": "#2f5fd0",
    "wash": "#f5f7fb",
    "s0": "#2f6fd6",
    "s1": "#12a37a",
    "s2": "#e0982a",
    "s3": "#8457d1",
    "s4": "#dc4f4a",
    "s5": "#1596b5",
    "s6": "#d4599c",
    "s7": "#7f9a2c",
    "s8": "#8a92a1",
    "s9": "#c3c8d1",
}
DARK = {
    "paper": "#12141a",
    "card": "#181b22",
    "line": "#2b303b",
    "grid": "#242933",
    "ink": "#e9ebf0",
    "faint": "#98a0b0",
    "accent": "#82a8ff",
    "wash": "#1d212a",
    "s0": "#5b93f5",
    "s1": "#2fbf94",
    "s2": "#e5a744",
    "s3": "#a684ee",
    "s4": "#ee7570",
    "s5": "#3fb4d0",
    "s6": "#e681b6",
    "s7": "#a0bb4d",
    "s8": "#7d8696",
    "s9": "#555d6c",
}
SERIES = 8
"""Colours that tell things apart; `s8` and `s9` are greys, for what needs no attention."""
_PICTURE = """
text{font-size:12px;fill:FAINT;paint-order:stroke;stroke:CARD;stroke-width:3px;
stroke-linejoin:round}
.ink{fill:INK}
.name{fill:INK;font-weight:500}
.faint{fill:FAINT;font-weight:400}
.axis{stroke:FAINT;stroke-width:1}
.grid{stroke:GRID;stroke-width:1}
.front{fill:none;stroke:ACCENT;stroke-width:1.6;stroke-opacity:.55}
.best{fill:ACCENT;stroke:CARD;stroke-width:1.5}
.other{fill:CARD;stroke:S8;stroke-width:1.8}
.whisker{stroke:S8;stroke-width:1.2;stroke-opacity:.55}
.hill{stroke-width:1.2;fill-opacity:.28}
.middle{stroke:INK;stroke-width:1.6}
.tail{stroke:FAINT;stroke-width:1.2}
.interval{fill:INK}
.bar{stroke:CARD;stroke-width:1}
.one{stroke:FAINT;stroke-width:1;stroke-dasharray:4 3}
.ratio{fill:ACCENT}
.control{fill:S8}
.trend{fill:none;stroke-width:1.8}
.dashed{stroke-dasharray:5 4}
"""
_PAGE = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
-webkit-text-size-adjust:100%}
main{max-width:1080px;margin:0 auto;padding:28px 20px 64px}
header{margin-bottom:8px}
header p{margin:2px 0;color:var(--faint);overflow-wrap:anywhere}
.over{font-size:13px;letter-spacing:.08em;text-transform:uppercase}
h1{font-size:clamp(24px,5vw,34px);line-height:1.2;margin:2px 0 6px;letter-spacing:-.015em;
overflow-wrap:anywhere}
h2{font-size:20px;margin:44px 0 10px;letter-spacing:-.01em}
h3{font-size:15px;font-weight:600;margin:22px 0 8px;overflow-wrap:anywhere}
.note{color:var(--faint);font-size:14px;margin:8px 0 0;max-width:78ch}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;
margin:22px 0 0}
.tile{background:var(--wash);border-radius:12px;padding:14px 16px}
.tile b{display:block;font-size:26px;line-height:1.15;font-weight:600;letter-spacing:-.02em;
font-variant-numeric:tabular-nums}
.tile b i{font-style:normal;font-size:15px;font-weight:400;color:var(--faint)}
.tile span{display:block;color:var(--faint);font-size:13px;line-height:1.35}
.grid2{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:16px}
figure{margin:0;padding:12px 12px 4px;border:1px solid var(--line);border-radius:12px;
background:var(--card);break-inside:avoid;min-width:0}
figcaption{font-size:14px;font-weight:600;margin:0 0 6px}
figcaption small{font-weight:400;color:var(--faint)}
svg{display:block;width:100%;height:auto;font-family:inherit}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:12px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:7px 11px;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--faint);font-weight:500;font-size:13px;line-height:1.3;
vertical-align:bottom}
td.n,th.n{text-align:right}
td.n{white-space:nowrap}
td small{display:block;color:var(--faint);font-size:12px;white-space:nowrap}
td.name{overflow-wrap:anywhere;min-width:7em}
.wide+h3,.wide+.wide{margin-top:22px}.wide+.grid2,.grid2+.wide,.note+.grid2{margin-top:16px}
td.text{min-width:14em;overflow-wrap:anywhere}
tr.best td{background:color-mix(in srgb,var(--accent) 7%,transparent)}
.star{color:var(--accent);font-weight:700}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin:10px 2px 12px;padding:0;list-style:none;
font-size:13px;color:var(--faint)}
.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px}
pre{background:var(--wash);border-radius:10px;padding:12px 14px;font-size:13px;line-height:1.45;
white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0}
footer{margin-top:48px;color:var(--faint);font-size:13px}
@media screen and (max-width:600px){.wide td:first-child,.wide th:first-child{position:sticky;
left:0;background:var(--card)}tr.best td:first-child{background:var(--wash)}
td.text{min-width:10em}main{padding:20px 14px 48px}th,td{padding:7px 9px}h2{margin-top:36px}
figure{padding:10px 6px 2px}figcaption{margin-left:6px}}
@media print{body{font-size:10pt}main{max-width:none;padding:0}h2{break-after:avoid}
h3{break-after:avoid}.wide{overflow:visible;border:0}table{font-size:8pt}th,td{padding:3px 5px}
tr{break-inside:avoid}.grid2{grid-template-columns:1fr 1fr}td small{font-size:7pt}
td.name{min-width:6.5em}
td.text{min-width:0}.tile,figure,pre{border:1px solid var(--line)}}
"""


def page_style() -> str:
    """Return the stylesheet of the page; paper is always light."""
    light, dark = _variables(LIGHT), _variables(DARK)
    names = {name: f"var(--{name})" for name in LIGHT}
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"{_PAGE}{_picture(names)}"
    ).replace("\n", "")


def picture_style() -> str:
    """Return the stylesheet of a picture that stands alone, in light colours."""
    return _picture(LIGHT).replace("\n", "")


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def _picture(colours: dict[str, str]) -> str:
    rules = _PICTURE
    for name, value in colours.items():
        rules = rules.replace(name.upper(), value)
    series = (name for name in LIGHT if name[0] == "s" and name[1:].isdigit())
    filled = "".join(
        f".{name}{{fill:{colours[name]};background:{colours[name]}}}"
        f".hill.{name},.trend.{name}{{stroke:{colours[name]}}}"
        f".trend.{name}{{fill:none}}"
        for name in series
    )
    return rules + filled
