// How texts and media of a battle can be looked at: plain instead of rendered, images near by or one over the other,
// one player at a time. All of it happens in the browser and costs no vote any time. Without this file the texts stand
// there rendered and the players play.
(() => {
  if (window.bakeoffContent) return;
  window.bakeoffContent = true;
  const root = document.documentElement;
  const ANSWER = 'button:is([class*="st-key-left-"] *, [class*="st-key-right-"] *, [class*="st-key-tie-"] *, [class*="st-key-both_bad-"] *)';
  const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);
  // Marks that turn the direction of what follows, and signs without any width. Joiners and marks that writing needs
  // (in emoji, Persian, Hebrew) are none of them, nor is U+2060, which Bakeoff itself puts in.
  const UNSEEN = /[\u202A-\u202E\u2066-\u2069\u200B\uFEFF\u180E\u2061-\u2064\u206A-\u206F\u{E0001}]|(?<!\u{1F3F4}[\u{E0020}-\u{E007F}]*)[\u{E0020}-\u{E007F}]/gu;
  const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable=true]");

  const ARENA = '[class*="st-key-arena-turn-"]', ASKED = '[class*="st-key-arena-asked-"]', COLUMN = '[data-testid="stColumn"]';
  const SHOWN = ".st-key-bar, " + ARENA;
  // The boxes of the prompt and of each side: one on the vote page, one for each turn in the arena.
  const cells = () => {
    const turns = [...document.querySelectorAll(ARENA)];
    if (turns.length) {
      const side = (place) => turns.map((turn) => turn.querySelectorAll(COLUMN)[place]).filter(Boolean); // drawn bit by bit
      return { prompt: [...document.querySelectorAll(ASKED)], left: side(0), right: side(1) };
    }
    const foot = document.querySelector(".stVerticalBlock > * > :is(.st-key-foot, .st-key-bar)")?.parentElement;
    const right = foot?.previousElementSibling, left = right?.previousElementSibling;
    return left?.previousElementSibling ? { prompt: [left.previousElementSibling], left: [left], right: [right] } : null;
  };
  const classOf = (part, prefix) => [...part.classList].find((c) => c.startsWith(prefix)).slice(prefix.length);
  // The battle on the screen; in the arena with the number of its last turn before it, and none while that is written.
  const token = () => {
    const turn = [...document.querySelectorAll(ARENA)].at(-1);
    if (turn) return document.querySelector(".st-key-arena-bar button:disabled") ? "" : classOf(turn, "st-key-arena-turn-");
    const answer = document.querySelector('.st-key-bar [class*="st-key-left-"]');
    return answer ? classOf(answer, "st-key-left-") : "";
  };
  const stage = () => document.querySelector(".stApp") ?? document.body; // which knows light and dark
  const say = (text) => {
    let live = document.querySelector(".bo-live");
    if (!live) {
      live = stage().appendChild(Object.assign(document.createElement("div"), { className: "bo-live" }));
      live.setAttribute("role", "status");
    }
    live.textContent = text;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => { live.textContent = ""; }, 4000);
  };

  // ---------------------------------------------------------------------------------------------- plain text
  const stored = () => { try { return localStorage.getItem("bakeoff-plain") === "1"; } catch { return false; } };
  let isPlain = stored(), plain = { token: "", texts: null };
  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const asWritten = (text) => {
    const made = element("pre", "bo-plain");
    made.dir = "auto";
    let from = 0;
    for (const found of text.matchAll(UNSEEN)) {
      made.append(text.slice(from, found.index));
      made.append(element("mark", "", `U+${found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`));
      from = found.index + found[0].length;
    }
    made.append(text.slice(from));
    return made;
  };
  const dropPlain = () => { for (const old of document.querySelectorAll("pre.bo-plain")) old.remove(); };
  const partsOf = (cell) => [...cell.querySelectorAll(cell.matches(".stElementContainer") ? ":scope > .stMarkdown, :scope > .stText" : ".stMarkdown, .stText")];
  const fill = (shown) => {
    const isArena = document.querySelector(ARENA) !== null;
    for (const [name, boxes] of Object.entries(shown)) {
      // On the vote page a side that answered in turns has the rater's words between its own; the arena has them above.
      const texts = plain.texts[name]?.filter((_, i) => !isArena || name === "prompt" || i % 2 === 0);
      boxes.flatMap(partsOf).forEach((part, i) => {
        const text = texts?.[i];
        if (text !== undefined && part.matches(".stMarkdown") && !part.querySelector(":scope > .bo-plain")) part.append(asWritten(text));
      });
    }
  };
  const showPlain = async (battle, shown) => {
    if (!isPlain || !battle) {
      if (plain.token) dropPlain();
      plain = { token: "", texts: null };
      root.removeAttribute("data-bo-plain");
      return;
    }
    if (plain.token === battle) {
      if (plain.texts && shown) fill(shown);
      return;
    }
    dropPlain(); // before anything is painted, so that no old text stands over a new battle
    plain = { token: battle, texts: null };
    root.dataset.boPlain = "loading";
    try {
      const answer = await fetch(`/texts/${battle.replace(/^\d{1,3}-/, "")}`);
      if (!answer.ok) throw new Error(String(answer.status));
      const texts = await answer.json();
      if (plain.token !== battle) return;
      plain.texts = texts;
      root.dataset.boPlain = "on";
      const now = cells();
      if (now && token() === battle) fill(now);
    } catch {
      if (plain.token !== battle) return;
      root.dataset.boPlain = "failed";
      say("The plain text can't be had right now; this is the rendered one.");
    }
  };
  const toggle = () => {
    isPlain = !isPlain;
    try { localStorage.setItem("bakeoff-plain", isPlain ? "1" : "0"); } catch { /* it is forgotten with the page */ }
    update();
  };

  // ---------------------------------------------------------------------------------------------- players
  let isStarting = false;
  const players = () => [...document.querySelectorAll(".bo-media audio, .bo-media video")];
  const isLocked = () => document.querySelector(".bo-media [data-must-play]:not([data-played])") !== null;
  const showLock = () => {
    const locked = isLocked();
    if (locked !== root.hasAttribute("data-bo-locked")) root.toggleAttribute("data-bo-locked", locked);
    for (const button of document.querySelectorAll(`.st-key-bar ${ANSWER}`)) {
      if (locked !== (button.getAttribute("aria-disabled") === "true")) {
        if (locked) button.setAttribute("aria-disabled", "true"); else button.removeAttribute("aria-disabled");
      }
    }
  };
  const refuse = (event) => {
    event.stopImmediatePropagation();
    event.preventDefault();
    const first = document.querySelectorAll(".bo-media [data-must-play]").length > 1 ? "Play both sides first. If one" : "Play the sound or film first. If it";
    say(`${first} can't be played, say “Can't judge”.`);
  };
  const note = (event) => {
    const player = event.target;
    if (!player.matches?.(".bo-media [data-must-play]") || player.hasAttribute("data-played")) return;
    let heard = 0;
    for (let i = 0; i < player.played.length; i += 1) heard += player.played.end(i) - player.played.start(i);
    // A jump to the end is no listening; the last tenth may be silence that nobody waits for.
    if (!(heard >= 0.9 * player.duration)) return;
    player.setAttribute("data-played", "");
    showLock();
    if (!isLocked()) dispatchEvent(new CustomEvent("bakeoff:played", { detail: token() }));
  };
  for (const kind of ["timeupdate", "ended", "pause"]) addEventListener(kind, note, true);
  addEventListener("ratechange", (event) => { // the server counts the time that listening takes
    const player = event.target;
    if (player.matches?.(".bo-media [data-must-play]:not([data-played])") && player.playbackRate > 1) player.playbackRate = 1;
  }, true);
  addEventListener("play", (event) => {
    if (isStarting) return;
    for (const other of players()) if (other !== event.target) other.pause();
  }, true);
  const startBoth = async () => {
    const both = players();
    isStarting = true;
    try {
      for (const player of both) { player.pause(); player.currentTime = 0; player.muted = true; }
      await Promise.all(both.map((player) => player.readyState >= 3 ? null : new Promise((done) => {
        for (const kind of ["canplay", "error"]) player.addEventListener(kind, done, { once: true });
        player.preload = "auto";
        if (player.readyState < 1) player.load();
      })));
      await Promise.allSettled(both.map((player) => player.play()));
    } finally {
      setTimeout(() => { isStarting = false; }, 50); // "play" is told a moment after play() was called
    }
  };
  addEventListener("error", (event) => {
    const box = event.target.closest?.(".bo-media");
    if (!box || box.querySelector(".bo-gone")) return;
    box.append(element("p", "bo-gone", "This file can't be shown here. Say “Can't judge”, so that it counts for nobody."));
  }, true);

  // ---------------------------------------------------------------------------------------------- images
  const look = (images, first) => {
    const dialog = element("dialog", "bo-look");
    dialog.setAttribute("role", "dialog"); // what keeps keys from voting looks for it
    dialog.setAttribute("aria-label", "Look closely");
    const tools = element("div", "bo-look-tools"), view = element("div", "bo-stage");
    const shown = images.map((image) => Object.assign(element("img"), { src: image.src, alt: image.alt }));
    const slider = Object.assign(element("input"), { type: "range", min: 0, max: 100, value: 50 });
    slider.setAttribute("aria-label", "How much of the left image covers the right one");
    const buttons = [];
    const show = (which) => {
      const isOver = which === "over";
      view.replaceChildren(...(isOver ? shown : [shown[which]]));
      view.classList.toggle("over", isOver);
      shown[0].style.clipPath = isOver ? `inset(0 ${100 - slider.value}% 0 0)` : "";
      slider.hidden = !isOver;
      for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(name === which));
    };
    const add = (text, act) => {
      const button = Object.assign(element("button", "", text), { type: "button", onclick: act });
      tools.append(button);
      return button;
    };
    if (images.length === 2) {
      for (const [text, which] of [["Left", 0], ["Right", 1], ["One over the other", "over"]]) buttons.push([which, add(text, () => show(which))]);
    }
    slider.oninput = () => show("over");
    const size = add("Full size", () => size.setAttribute("aria-pressed", String(view.classList.toggle("full"))));
    size.setAttribute("aria-pressed", "false");
    view.onclick = () => size.click();
    view.tabIndex = 0;
    tools.append(slider);
    add("Close", () => dialog.close()).autofocus = true;
    dialog.append(tools, view);
    dialog.onclose = () => dialog.remove();
    stage().append(dialog);
    show(first);
    dialog.showModal();
  };
  const pairOf = (box) => box?.hasAttribute("data-pair") ? [...document.querySelectorAll(".bo-media[data-pair] img")] : [];
  const lookAt = (image) => {
    const pair = pairOf(image.closest(".bo-media"));
    look(pair.length === 2 ? pair : [image], pair.length === 2 ? pair.indexOf(image) : 0);
  };

  // ---------------------------------------------------------------------------------------------- acts
  addEventListener("click", (event) => {
    const target = event.target;
    if (!target.closest) return;
    if (target.closest(`.st-key-bar ${ANSWER}`) && isLocked()) refuse(event);
    else if (target.closest(".bo-switch")) toggle();
    else if (target.closest(".bo-zoom")) lookAt(target.closest(".bo-zoom").querySelector("img"));
    else if (target.closest(".bo-over-button")) look(pairOf(target.closest(".bo-media")), "over");
    else if (target.closest(".bo-both")) startBoth();
    else if (target.matches("img[data-bo-look]")) lookAt(target);
  }, true);
  addEventListener("keydown", (event) => {
    const target = event.target;
    if (target.closest?.(".bo-look") || (ARROWS.has(event.key) && target.matches?.("audio, video"))) {
      event.stopImmediatePropagation(); // arrows move the slider, the picture or the player, and nothing else
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(target) || !document.querySelector(SHOWN)) return;
    if (document.querySelector('[role="dialog"]')) return;
    if (ARROWS.has(event.key) && isLocked()) refuse(event);
    else if (event.key.toLowerCase() === "p" && !event.repeat) toggle();
    else if (event.key === "Enter" && target.matches?.("img[data-bo-look]")) lookAt(target);
  }, true);

  // ---------------------------------------------------------------------------------------------- every battle
  const countIn = (part) => part?.textContent.match(UNSEEN)?.length ?? 0;
  // What draws a formula puts such signs into it; what was written stands in its annotation alone.
  const countUnseen = (cell) => [...cell.querySelectorAll(".katex")].reduce(
    (n, formula) => n - countIn(formula) + countIn(formula.querySelector("annotation")), countIn(cell));
  const markUnseen = (shown) => {
    for (const cell of Object.values(shown).flat()) {
      const n = countUnseen(cell);
      const words = n ? `${n} ${n === 1 ? "sign" : "signs"} in this text can't be seen or turn its direction; Plain shows them.` : "";
      if ((cell.dataset.boUnseen ?? "") === words) continue;
      if (words) cell.dataset.boUnseen = words; else delete cell.dataset.boUnseen;
    }
  };
  let battle = "";
  const begin = (shown) => {
    document.querySelector(".bo-look")?.close();
    for (const [name, boxes] of Object.entries(shown)) for (const cell of boxes) {
      delete cell.dataset.boUnseen;
      if (document.querySelector(ARENA)) continue; // the page scrolls, not its boxes
      cell.tabIndex = 0; // it scrolls, so keys must reach it
      cell.setAttribute("role", "region");
      cell.setAttribute("aria-label", name[0].toUpperCase() + name.slice(1));
    }
    const mine = battle;
    for (const wait of [0, 400]) setTimeout(() => {
      const now = cells();
      if (!now || battle !== mine) return;
      markUnseen(now);
      for (const part of Object.values(now).flat().flatMap((cell) => [...cell.querySelectorAll(".stMarkdown")])) {
        if (part.scrollWidth > part.clientWidth + 1 || part.scrollHeight > part.clientHeight + 1) part.tabIndex = 0;
      }
      for (const image of now.prompt.flatMap((cell) => [...cell.querySelectorAll("img:not([data-bo-look])")])) {
        image.dataset.boLook = "";
        image.tabIndex = 0;
        image.setAttribute("role", "button");
      }
    }, wait);
  };
  const disarm = () => { // an address that carries a page of its own leads nowhere
    for (const link of document.querySelectorAll(`:is(.stVerticalBlock:not(.st-key-foot):has(> * > :is(.st-key-bar, .st-key-foot)), ${ARENA}, ${ASKED}) a[href^="data:" i]`)) link.removeAttribute("href");
  };
  // Explore's boxes scroll, so keys must reach them.
  const SEEN = ':is([class*="st-key-seen-side-"], [class*="st-key-across-"])';
  const openBoxes = () => {
    for (const box of document.querySelectorAll(SEEN)) {
      const name = [...box.querySelectorAll(".bo-seen-side p:first-child > *")].map((one) => one.textContent).join(" ");
      if (box.tabIndex === 0 && box.getAttribute("aria-label") === name) continue;
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", name);
    }
  };
  const update = () => {
    disarm();
    openBoxes();
    const now = token(), shown = now ? cells() : null;
    const button = document.querySelector(".bo-switch");
    if (button && button.getAttribute("aria-pressed") !== String(isPlain)) button.setAttribute("aria-pressed", String(isPlain));
    if (now !== battle) {
      battle = now;
      if (shown) begin(shown);
    }
    showPlain(now, shown);
    showLock();
  };
  new MutationObserver(update).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
  update();
})();
