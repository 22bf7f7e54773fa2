"use strict";

// Says what keeps the page's modules from running at all; a plain script, which always runs.

{
  const refuse = (why) => {
    document.documentElement.dataset.selftest = "refused";
    document.getElementById("status").textContent = `Refused: ${why}`;
    document.getElementById("status").dataset.state = "bad";
    document.getElementById("progress").hidden = true;
  };
  let obstacle = null;
  if (location.protocol === "file:") {
    obstacle =
      "a browser does not let a page opened from a file read its model: " +
      "serve this folder (python3 -m http.server) and open http://localhost:8000";
  } else if (!globalThis.crypto?.subtle) {
    obstacle = "digests can be checked over https or on localhost only: open the page there";
  } else if (typeof WebAssembly !== "object") {
    obstacle = "this browser runs no WebAssembly: try a newer one";
  }
  const unread = "a script could not be loaded: is there a network, and is this browser new?";
  const lost = ({ target }) => target.localName === "script" && refuse(unread);
  if (obstacle) refuse(obstacle);
  else addEventListener("error", lost, true); // such events do not bubble
}
