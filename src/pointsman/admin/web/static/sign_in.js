import "./time.js"; // the first page that is shown knows the zone

// A code from `pointsman ui` stands behind the #: no server and no log sees it there. It is used once and leaves the address.
const code = location.hash.slice(1);
if (code) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("sign-in");
  form.elements.word.value = decodeURIComponent(code);
  form.requestSubmit();
}
