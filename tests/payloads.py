"""What outputs may carry to attack the page that shows them (THREATS A29 to A33); none of it may run or load."""

from __future__ import annotations

SCRIPTS = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1>",
    "<svg><script>window.pwned=1</script></svg>",
    "<body onload=window.pwned=1>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<iframe src=javascript:parent.pwned=1></iframe>",
    "<details open ontoggle=window.pwned=1>x</details>",
    "<input autofocus onfocus=window.pwned=1>",
    "<video><source onerror=window.pwned=1></video>",
    "<audio src=x onerror=window.pwned=1>",
    "<marquee onstart=window.pwned=1>x</marquee>",
    "<object data=javascript:window.pwned=1></object>",
    "<embed src=javascript:window.pwned=1>",
    "<math><mtext><script>window.pwned=1</script></mtext></math>",
    "<noscript><p title='</noscript><img src=x onerror=window.pwned=1>'></noscript>",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/>",
    "<form action=https://evil.example/><button>Vote saved</button></form>",
    "</script><script>window.pwned=1</script>",
    '"><script>window.pwned=1</script>',
    "'-window.pwned=1-'",
    "{{7*7}} ${7*7} <%= 7*7 %> #{7*7}",
    "{{constructor.constructor('window.pwned=1')()}}",
    "<!--><script>window.pwned=1</script-->",
    "<![CDATA[<script>window.pwned=1</script>]]>",
    '<a href="javascript:window.pwned=1">x</a>',
    "<template><script>window.pwned=1</script></template>",
]
LINKS = [
    "[a](javascript:window.pwned=1)",
    "[b](JaVaScRiPt:window.pwned=1)",
    "[c](data:text/html,<script>window.pwned=1</script>)",
    "[d](vbscript:msgbox)",
    "[e](&#106;avascript:window.pwned=1)",
    "[f](java\tscript:window.pwned=1)",
    "<javascript:window.pwned=1>",
    "[g]: javascript:window.pwned=1\n[g]",
    "![h](javascript:window.pwned=1)",
    "![i](https://evil.example/pixel.png)",
    "![j](//evil.example/pixel.png)",
    "![k](data:image/svg+xml,<svg onload=window.pwned=1>)",
    "[![l](https://evil.example/l.png)](https://evil.example)",
    "![m](https://evil.example/film.mp4)",
    "![n](https://evil.example/sound.mp3)",
]
MATH = [
    r"$\href{javascript:window.pwned=1}{x}$",
    r"$\url{javascript:window.pwned=1}$",
    r"$\includegraphics{https://evil.example/x.png}$",
    r"$\htmlData{x=1}{y}$ $\htmlStyle{position:fixed;inset:0}{z}$",
    r"$\def\a{\a\a}\a$",
    r"$$\def\b#1{#1#1#1#1#1#1#1#1#1#1}\b{\b{\b{\b{\b{\b{x}}}}}}$$",
    "$" + "{" * 1500 + "x" + "}" * 1500 + "$",
    r"$\unknown{x}$ and $\frac{1}{$",
]
DIAGRAMS = [
    '```mermaid\ngraph TD\nA-->B\nclick A "javascript:window.pwned=1"\nclick B call alert(1)\n```',
    '```mermaid\ngraph TD\nA["<img src=x onerror=window.pwned=1>"]\n```',
    '```mermaid\n%%{init: {"securityLevel": "loose", "themeCSS": "*{display:none}"}}%%\ngraph TD\nA-->B\n```',
    "```mermaid\nno diagram at all <script>window.pwned=1</script>\n```",
]
DECEITS = [
    "Vote saved. Go to the next one.\n\n# Response B\n\n## Right",
    "\u202eTIRW SI SIHT\u202c and on",
    "zero\u200bwidth\ufeff signs",
    ":red[red] :emoji: :material/home: :rainbow[x] :blue-background[y] :small[z] :badge[w] :kbd[k] :streamlit:",
    "a" + "".join(chr(0x300 + i % 80) for i in range(300)),
]
ALL = [*SCRIPTS, *LINKS, *MATH, *DIAGRAMS, *DECEITS]
