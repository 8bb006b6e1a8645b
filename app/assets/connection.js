// Says when the connection to the server is lost and when it is back, and whether the answer that was given in that
// moment was saved. Without this file Streamlit says the former after a while, and reconnects all the same.
(() => {
  if (window.bakeoffConnection) return;
  window.bakeoffConnection = true;
  const ANSWERS = '.st-key-bar button:is([class*="st-key-left-"] *, [class*="st-key-right-"] *, [class*="st-key-tie-"] *, [class*="st-key-both_bad-"] *, [class*="st-key-skip-"] *)';
  const SLOW_MS = 5000, STUCK_MS = 10000, BLIP_MS = 700, TOLD_MS = 6000;
  const SAVED = "Connected again. Your answer was saved.", KEPT = "bakeoff-saved";
  const MISSED = "Connected again. Your last answer did not arrive: please give it once more.";
  const app = () => document.querySelector("[data-test-connection-state]");
  const isConnected = () => app()?.dataset.testConnectionState === "CONNECTED";
  const isIdle = () => app()?.dataset.testScriptState === "notRunning";
  const battle = () => {
    const answer = document.querySelector('.st-key-bar [class*="st-key-left-"]');
    return answer ? [...answer.classList].find((c) => c.startsWith("st-key-left-")).slice("st-key-left-".length) : "";
  };

  let line, timer;
  function say(text, isTrouble, ms) {
    clearTimeout(timer);
    if (!line?.isConnected) {
      line = app().appendChild(Object.assign(document.createElement("div"), { className: "bo-connection" }));
      line.setAttribute("aria-live", "polite");
    }
    line.classList.toggle("trouble", isTrouble);
    line.textContent = text;
    if (ms) timer = setTimeout(() => say("", false), ms);
  }

  // What was answered, until the server has drawn the page for it.
  let sent = "", slow, stuck, wasRunning = false;
  function note() {
    if (document.documentElement.hasAttribute("data-bo-locked")) return; // nothing was sent
    sent = battle();
    clearTimeout(slow);
    clearTimeout(stuck);
    stuck = setTimeout(unstick, STUCK_MS, sent);
    slow = setTimeout(() => {
      if (sent && sent === battle() && isConnected()) say("The server takes its time. Your answer is on its way.", true);
    }, SLOW_MS);
  }
  // A server that was started again while the page stood idle knows nothing of its buttons: it never draws the page for
  // them, and says nothing. The page is loaded anew then, which keeps what was typed and chosen.
  async function unstick(id) {
    const isSo = () => id && sent === id && battle() === id && isConnected() && !isLost && isIdle();
    if (!isSo()) return;
    const said = await isSaved(id).then((saved) => (saved ? SAVED : MISSED), () => "");
    if (!said && isSo()) stuck = setTimeout(unstick, STUCK_MS, id);
    if (!said || !isSo()) return;
    sessionStorage.setItem(KEPT, said);
    location.reload();
  }
  function settle() {
    sent = "";
    clearTimeout(slow);
    clearTimeout(stuck);
    if (line?.textContent.startsWith("The server")) say("", false);
    checkRound();
  }
  addEventListener("click", (event) => {
    if (event.target.closest?.(ANSWERS)?.matches(":enabled")) note();
  }, true);

  // An arena isn't loaded anew, which would lose what is typed. After such a restart, the first press has it drawn, and
  // nothing more.
  const ROUND = '.st-key-arena-bar [class*="st-key-left-"]';
  const round = () => /st-key-left-(\S+)/.exec(document.querySelector(`${ROUND}:has(button:enabled)`)?.className)?.[1];
  let judged = "";
  addEventListener("click", (event) => {
    if (event.target.closest?.(".st-key-arena-bar button:enabled")) judged = round();
  }, true);
  async function checkRound() {
    const id = judged, isRefused = () => [...document.querySelectorAll('[role="alert"]')].some((one) => one.innerText);
    const isSo = () => isConnected() && isIdle() && id === round() && !isRefused();
    judged = "";
    if (!id || !isSo()) return;
    const saved = await isSaved(id).catch(() => true);
    if (!saved && !judged && isSo()) say(MISSED, true, 2 * TOLD_MS);
  }

  let wasConnected = false, isLost = false, lostWith = "", watch;
  function lose() {
    if (isLost) return;
    isLost = true;
    lostWith = sent;
    clearTimeout(slow);
    clearTimeout(timer); // else the end of an earlier word would be the end of this one
    timer = setTimeout(() => {
      if (isLost) say(`The connection is lost. Trying to connect again…${battle() ? " What you chose and typed stays here." : ""}`, true);
    }, BLIP_MS);
  }
  async function isSaved(id) {
    for (const wait of [0, 1500]) { // it may still be on its way through the server
      if (wait) await new Promise((done) => setTimeout(done, wait));
      const answer = await fetch(`/answers/${id}`);
      if (!answer.ok) throw new Error(String(answer.status));
      if ((await answer.json()).is_answered) return true;
    }
    return false;
  }
  async function regain() {
    const id = lostWith, wasTold = Boolean(line?.textContent);
    isLost = false;
    lostWith = "";
    if (id) sent = ""; // what was answered since then is on its way
    clearTimeout(timer);
    if (!id) {
      say(wasTold ? "Connected again." : "", false, TOLD_MS);
      return checkRound();
    }
    try {
      const saved = await isSaved(id);
      if (isLost) lostWith ||= saved ? "" : id;
      else if (saved) turn(id);
      else if (battle() === id && !sent) say(MISSED, true, 2 * TOLD_MS);
      else say("Connected again.", false, TOLD_MS);
    } catch {
      if (!isLost) say("Connected again. My votes shows whether your last answer was saved.", true, 2 * TOLD_MS);
    }
  }
  // The pair that came instead was lost on the way, and nothing sends it once more.
  function turn(id) {
    say(SAVED, false, TOLD_MS);
    setTimeout(() => {
      if (battle() !== id || sent || isLost) return;
      sessionStorage.setItem(KEPT, SAVED);
      location.reload();
    }, 1000);
  }
  function look() {
    if (isConnected() && navigator.onLine) {
      wasConnected = true;
      if (isLost) {
        // Once the page has been drawn anew, or has stood still for a moment.
        clearTimeout(watch);
        watch = setTimeout(() => (isLost && isConnected() && isIdle() ? regain() : isLost && look()), 500);
      } else if (wasRunning && isIdle()) settle();
    } else if (wasConnected) lose();
    wasRunning = !isIdle();
  }
  new MutationObserver((changes) => {
    // A run may begin and end before anybody looks.
    wasRunning ||= changes.some((one) => one.attributeName === "data-test-script-state" && one.oldValue !== "notRunning");
    look();
  }).observe(document.documentElement, { subtree: true, attributes: true, attributeOldValue: true,
    attributeFilter: ["data-test-connection-state", "data-test-script-state"] });
  for (const kind of ["online", "offline"]) addEventListener(kind, look);
  // Streamlit's own window about it asks raters about a server that they don't know, and stands before the pair.
  new MutationObserver(() => {
    const dialog = document.querySelector('[role="dialog"]:not(.bo-look)');
    if (isLost && dialog?.textContent.startsWith("Connection error")) dialog.querySelector('button[aria-label="Close"]')?.click();
  }).observe(document.body, { childList: true, subtree: true });
  say("", false); // a screen reader speaks only of what changes in a place that it knows
  const kept = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  if (kept) setTimeout(() => say(kept, kept === MISSED, 2 * TOLD_MS), 100);
  look();
})();
