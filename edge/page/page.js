// Puts what the node sends into its place: an element's text, or its attribute behind the "@".
// The node makes the words, so nothing is markup here. A page that nobody sees asks for nothing.
"use strict";
(() => {
  const QUIET = 40000; // ms without a word, after which the connection is taken for dead
  const AGAIN = 5000;
  const live = document.getElementById("live");
  let source = null;
  let timer = 0;

  function tell(yes, text) {
    live.dataset.live = yes ? "yes" : "no";
    if (live.textContent !== text) live.textContent = text;
  }

  function show(figures) {
    for (const [place, value] of Object.entries(figures)) {
      const [id, attribute] = place.split("@");
      const element = document.getElementById(id);
      if (!element) continue;
      if (attribute) element.setAttribute(attribute, value);
      else element.textContent = value;
    }
  }

  function lost() {
    stop();
    tell(false, "not live, trying again");
    timer = setTimeout(start, AGAIN);
  }

  function start() {
    stop();
    source = new EventSource("events");
    source.onmessage = (event) => {
      clearTimeout(timer);
      timer = setTimeout(lost, QUIET);
      show(JSON.parse(event.data));
      tell(true, "live");
    };
    source.onerror = lost;
  }

  function stop() {
    clearTimeout(timer);
    if (source) source.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => event.persisted && start());
  if (!document.hidden) start();
})();
