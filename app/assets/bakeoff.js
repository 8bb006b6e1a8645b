// What Streamlit's shortcuts lack: a second key for each answer, "?", no votes from a key held down or behind a
// dialog, and every new battle at the top of the page. Without this file the buttons and the arrow keys still work.
(() => {
  if (window.bakeoff) return;
  window.bakeoff = true;
  const acts = { a: "left-", d: "right-", t: "tie-", x: "both_bad-", s: "skip-", u: "undo", "?": "guidelines" };
  const guarded = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", ...Object.keys(acts)]);
  const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable=true]");
  addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!guarded.has(key) || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (!document.querySelector(".st-key-bar")) return;
    if (event.repeat || document.querySelector('[role="dialog"]')) {
      event.stopImmediatePropagation();
      if (event.repeat) event.preventDefault();
      return;
    }
    if (!(key in acts)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    document.querySelector(`:is(.st-key-bar, .st-key-tools) [class*="st-key-${acts[key]}"] button:enabled`)?.click();
  }, true);

  let shown = "";
  new MutationObserver(() => {
    const answer = document.querySelector('.st-key-bar [class*="st-key-left-"]');
    const name = answer ? [...answer.classList].find((c) => c.startsWith("st-key-left-")) : "";
    if (name === shown) return;
    shown = name;
    for (const part of document.querySelector(".stVerticalBlock:has(> * > .st-key-bar)")?.children ?? []) part.scrollTop = 0;
    document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
})();
