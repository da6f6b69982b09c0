// Keeps what is typed on the review page; everything works without it.
(function () {
  "use strict";
  var form = document.querySelector("form[data-draft]");
  if (!form || !window.fetch || form.querySelector("[name=edit]")) return;
  var status = form.querySelector("[data-status]"), timer = null, sent = false, last = "";

  function draft() {
    var body = new URLSearchParams();
    new FormData(form).forEach(function (v, name) {
      if (typeof v === "string" && /^(stars|text)\./.test(name)) body.append(name, v);
    });
    return body;
  }
  function save() {
    var body = draft(), text = body.toString();
    if (sent || text === last) return;
    last = text;
    body.append("do", "draft");
    fetch(form.action, { method: "POST", body: body, credentials: "omit" })
      .then(function (r) { if (r.ok) status.textContent = form.dataset.saved; else last = ""; })
      .catch(function () { last = ""; });
  }
  last = draft().toString();
  form.addEventListener("input", function () { clearTimeout(timer); timer = setTimeout(save, 1200); });
  document.addEventListener("visibilitychange", function () { if (document.hidden) save(); });
  form.addEventListener("submit", function (e) {
    // A second tap while the first is under way changes nothing.
    if (sent) { e.preventDefault(); return; }
    sent = true;
    setTimeout(function () { sent = false; }, 8000);
  });
})();
