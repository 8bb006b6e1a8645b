// What Streamlit's shortcuts lack: a second key for each answer, "?", no votes from a key held down or behind a
// dialog, no press lost while they are set up anew for what was just drawn, and every new battle at the top of the
// page. Without this file the buttons and the arrow keys still work.
(() => {
  if (window.bakeoff) return;
  window.bakeoff = true;
  const arrows = { ArrowLeft: "left-", ArrowRight: "right-", ArrowUp: "tie-", ArrowDown: "both_bad-" };
  const acts = { ...arrows, a: "left-", d: "right-", t: "tie-", x: "both_bad-", s: "skip-", u: "undo", w: "say-why", "?": "guidelines" };
  const guarded = new Set(["1", "2", "3", "4", ...Object.keys(acts)]);
  const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable=true]");
  addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!guarded.has(key) || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (!document.querySelector(":is(.st-key-bar, .st-key-arena-bar)")) return;
    const isArrow = key in arrows; // with Shift it selects, and a picture or a player has its own use for it
    if (isArrow && (event.shiftKey || event.target.closest?.(".bo-look, audio, video"))) return;
    if (event.repeat || document.querySelector('[role="dialog"]')) {
      event.stopImmediatePropagation();
      if (event.repeat) event.preventDefault();
      return;
    }
    const group = event.target.closest?.('[role="radiogroup"], [role="group"], [role="toolbar"]');
    if (isArrow && group?.closest(ROWS)) return step(event, group); // moves within the row, votes for nothing
    if ("1234".includes(key)) return choose(event, Number(key));
    if (!(key in acts)) return;
    const button = document.querySelector(`:is(.st-key-bar, .st-key-arena-bar, .st-key-tools, .st-key-strip) [class*="st-key-${acts[key]}"] button:enabled`);
    if (isArrow && !button) return; // it scrolls
    event.stopImmediatePropagation();
    event.preventDefault();
    button?.click();
  }, true);

  // The second press of a double click, and Enter or Space held down, would answer the next pair, which nobody has read.
  addEventListener("click", (event) => {
    if (event.detail < 2 || !event.target.closest?.(".st-key-bar")) return;
    event.stopImmediatePropagation();
    event.preventDefault();
  }, true);
  addEventListener("keydown", (event) => {
    if (event.repeat && ["Enter", " "].includes(event.key) && event.target.closest?.(".st-key-bar")) event.preventDefault();
  }, true);

  // The criteria: 1 to 4 answer the row that has the focus, else the first without an answer. Arrows move within a row.
  const ROWS = ":is(.st-key-criteria, .st-key-strip, .st-key-strip-more, .st-key-strip-own)";
  const buttons = (row) => [...row.querySelectorAll("button:enabled")];
  const isChosen = (button) => [button.ariaChecked, button.ariaPressed].includes("true");
  function choose(event, place) {
    const rows = [...document.querySelectorAll(".st-key-criteria .stButtonGroup")];
    const row = rows.find((one) => one.contains(event.target)) ?? rows.find((one) => !buttons(one).some(isChosen));
    const button = row && buttons(row)[place - 1];
    if (!button) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    if (!isChosen(button)) button.click();
    keepSoon();
    row.scrollIntoView({ block: "nearest" });
  }
  function step(event, group) {
    const all = buttons(group);
    const at = all.indexOf(event.target.closest("button"));
    event.stopImmediatePropagation();
    event.preventDefault();
    all[(at + (["ArrowRight", "ArrowDown"].includes(event.key) ? 1 : all.length - 1)) % all.length]?.focus();
  }

  // What is typed into a comment goes to the server when the field is left; until then this tab keeps it, by the
  // battle's id, so that neither a reload nor a lost connection loses a word.
  const DRAFT = "bakeoff-draft-";
  const keyOf = (field) => {
    const found = [...(field.closest('[class*="st-key-comment-"]')?.classList ?? [])];
    return found.find((c) => c.startsWith("st-key-comment-"))?.replace("st-key-comment-", DRAFT);
  };
  addEventListener("input", (event) => {
    const key = event.target.matches?.("textarea") && keyOf(event.target);
    if (key) sessionStorage.setItem(key, event.target.value);
  }, true);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.matches?.("textarea") && keyOf(event.target)) event.target.blur();
  }, true);
  function write(field, text) {
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  // The field forgets what was written before it was quite there; who has left it meanwhile leaves it once more.
  function writeAgain(field, key) {
    const typed = sessionStorage.getItem(key);
    if (!field.isConnected || !typed || field.value) return;
    const isLeft = document.activeElement !== field;
    if (isLeft) field.focus();
    write(field, typed);
    if (isLeft) setTimeout(() => field.blur(), 50);
  }
  function restore(field) {
    const key = keyOf(field);
    if (!key) return;
    const draft = sessionStorage.getItem(key);
    if (field.dataset.restored !== key) {
      field.dataset.restored = key;
      if (draft === null || draft === field.value) return;
      write(field, draft);
      field.focus(); // left again, it is stored
      for (const wait of [100, 400, 1600, 5000]) setTimeout(() => writeAgain(field, key), wait);
    } else if (draft === field.value && document.activeElement !== field && document.querySelector('.bo-kept[role="status"]')) {
      sessionStorage.removeItem(key); // the server has it
    }
  }
  const FIELD = '[class*="st-key-comment-"] textarea', WHY = '.st-key-strip [class*="st-key-say-why"] button';
  const draftOf = () => {
    const strip = document.querySelector('.st-key-strip [class*="bo-of-"]');
    return strip && DRAFT + [...strip.classList].find((c) => c.startsWith("bo-of-")).slice("bo-of-".length);
  };
  let closed = ""; // by the rater; it isn't opened again before the page is loaded anew
  addEventListener("click", (event) => {
    if (event.target.closest?.(WHY) && document.querySelector(FIELD)) closed = draftOf();
  }, true);
  let asked = 0; // a click in the moment of a reconnection may be lost, so it is made again until the field is there
  function offer() {
    // After a reload or a restart of the server, what was not stored yet is shown again.
    const key = draftOf();
    if (!key || key === closed || !sessionStorage.getItem(key) || document.querySelector(FIELD)) return;
    if (Date.now() - asked < 2000) return;
    const button = document.querySelector(WHY);
    const link = document.querySelector("[data-test-connection-state]")?.dataset.testConnectionState ?? "CONNECTED";
    if (!button || link !== "CONNECTED" || !document.querySelector('[data-test-script-state="notRunning"]')) return;
    asked = Date.now();
    button.click();
    setTimeout(offer, 2100);
  }
  // What was chosen in the criteria goes to the server with the vote; until then this tab keeps it in the same way. On
  // My votes each choice is stored at once, so nothing of it is kept here.
  const CHOSEN = "bakeoff-chosen-";
  const criteria = () => {
    const found = [];
    if (document.querySelector(".bo-given")) return found;
    for (const row of document.querySelectorAll('.st-key-criteria [class*="st-key-criterion-"]')) {
      const [, number, token] = /\bst-key-criterion-(\d+)-(\S+)/.exec(row.className) ?? [];
      if (token) found.push({ number, token, all: buttons(row) });
    }
    return found;
  };
  function keepChosen(late) {
    const rows = criteria(); // for a moment those of the pair before stand there, too
    for (const token of new Set(rows.map((row) => row.token))) {
      const chosen = rows.filter((row) => row.token === token)
        .map((row) => [row.number, row.all.findIndex(isChosen)]).filter(([, place]) => place >= 0);
      if (late && !chosen.length) continue; // late, the rows may be new ones that nobody has touched
      sessionStorage.setItem(CHOSEN + token, JSON.stringify(Object.fromEntries(chosen)));
    }
  }
  // A busy browser shows a choice later than the click that made it.
  const keepSoon = () => [50, 300, 1000].forEach((wait, i) => setTimeout(() => keepChosen(i > 0), wait));
  let chosenAgain = "", wanted = {}, again = 0;
  function chooseAgain() {
    if (!document.querySelector('[data-test-script-state="notRunning"]')) chosenAgain = ""; // a new server knows nothing
    const rows = criteria(), token = rows[0]?.token;
    if (!token || token === chosenAgain || !document.querySelector('[data-test-script-state="notRunning"]')) return;
    chosenAgain = token;
    const kept = Object.keys(sessionStorage).filter((key) => key.startsWith(CHOSEN) && key !== CHOSEN + token);
    if (kept.length > 200) for (const key of kept) sessionStorage.removeItem(key);
    wanted = JSON.parse(sessionStorage.getItem(CHOSEN + token) ?? "{}");
    chooseMissing(token);
    clearInterval(again);
    let left = 80;
    again = setInterval(() => (--left ? chooseMissing(token) : clearInterval(again)), 500);
  }
  const clickedAt = {};
  function chooseMissing(token) {
    // A click in the moment of a reconnection may be lost, so it is made again; not soon, and not because the first
    // row's click has ended a run, since it would take back a choice that is merely shown late.
    if (!document.querySelector('[data-test-script-state="notRunning"]')) return;
    for (const row of criteria()) {
      if (row.token !== token || !(row.number in wanted) || row.all.some(isChosen)) continue;
      const key = token + row.number;
      if (Date.now() - (clickedAt[key] ?? 0) < 3500) continue;
      clickedAt[key] = Date.now();
      row.all[wanted[row.number]]?.click();
    }
  }
  addEventListener("click", (event) => {
    if (!event.target.closest?.(".st-key-criteria .stButtonGroup")) return;
    if (!event.isTrusted) return;
    wanted = {}; // from here on it is the rater's own choice
    keepSoon();
  }, true);

  // Who chose with the mouse goes on voting with the keys; who moves by keys stays where they are.
  addEventListener("click", (event) => {
    if (event.detail && event.target.closest?.(`${ROWS} .stButtonGroup`)) setTimeout(() => document.activeElement?.blur());
  }, true);

  // In the arena, what was asked last comes into sight, and after the vote the names do.
  let told = "";
  const tell = () => {
    const asked = [...document.querySelectorAll('[class*="st-key-arena-asked-"]')].at(-1);
    const now = document.querySelector(".bo-reveal") ? "reveal" : asked?.className ?? "";
    if (now === told) return;
    told = now;
    if (now === "reveal") document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
    else asked?.scrollIntoView({ block: "start" });
  };

  let shown = "";
  new MutationObserver(() => {
    tell();
    document.querySelectorAll('[class*="st-key-comment-"] textarea').forEach(restore);
    offer();
    chooseAgain();
    const answer = document.querySelector('.st-key-bar [class*="st-key-left-"]');
    const name = answer ? [...answer.classList].find((c) => c.startsWith("st-key-left-")) : "";
    if (name === shown) return;
    shown = name;
    for (const part of document.querySelector(".stVerticalBlock:not(.st-key-foot):has(> * > :is(.st-key-bar, .st-key-foot))")?.children ?? []) part.scrollTop = 0;
    document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
  }).observe(document.body, { subtree: true, childList: true, attributes: true, 
    attributeFilter: ["class", "data-test-script-state", "data-test-connection-state"] });

  // The code of a panel: without a secure connection there is no clipboard, and the code is selected for copying.
  addEventListener("click", async (event) => {
    const button = event.target.closest?.(".bo-copy");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      button.textContent = "Selected: press Ctrl+C";
    }
  });

  // A chart drawn as one picture finds the mark of a click when a pointer moves, and a finger that taps never does.
  for (const kind of ["mousedown", "click"]) addEventListener(kind, (event) => {
    if (!event.target.matches?.(".stVegaLiteChart canvas")) return;
    const { clientX, clientY } = event;
    event.target.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX, clientY }));
  }, true);
})();
