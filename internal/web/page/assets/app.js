// imreport: everything works without this file. It keeps rows fresh, filters
// long lists while one types, and shows what a raw data will cost.
(function () {
  "use strict";

  // ---- live parts ----
  // Elements with data-live="NAME" are replaced by what the server renders for
  // the same page when something has changed. Events say when; without them
  // (an old proxy, a closed connection) the page asks every 10 seconds.

  var say = document.getElementById("say");
  var parts = document.querySelectorAll("[data-live]").length > 0;
  var busy = false, again = false, last = 0, open = document.body.hasAttribute("data-open");

  function refresh() {
    if (busy) { again = true; return; }
    if (document.hidden) { again = true; return; }
    busy = true;
    last = Date.now();
    fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin" })
      .then(function (r) {
        if (r.redirected || r.status === 401) { location.reload(); throw new Error("signed out"); }
        return r.ok ? r.text() : Promise.reject(new Error(r.status));
      })
      .then(function (html) { swap(new DOMParser().parseFromString(html, "text/html")); })
      .catch(function () { /* the next turn tries again */ })
      .then(function () {
        busy = false;
        if (again) { again = false; setTimeout(refresh, 1500); }
      });
  }

  function swap(doc) {
    var told = [];
    open = doc.body.hasAttribute("data-open");
    doc.querySelectorAll("[data-live]").forEach(function (next) {
      var now = document.querySelector('[data-live="' + CSS.escape(next.dataset.live) + '"]');
      if (!now || now.outerHTML === next.outerHTML) return;
      if (now.dataset.state !== next.dataset.state && next.dataset.say) told.push(next.dataset.say);
      var focus = now.contains(document.activeElement) && document.activeElement.dataset.key;
      var opened = Array.from(now.querySelectorAll("details")).map(function (d) { return d.open; });
      next = document.importNode(next, true);
      next.querySelectorAll("details").forEach(function (d, i) { d.open = opened[i] || d.open; });
      now.replaceWith(next);
      if (focus) { var f = next.querySelector('[data-key="' + CSS.escape(focus) + '"]'); if (f) f.focus(); }
    });
    if (told.length && say) say.textContent = told.slice(0, 3).join(". ");
  }

  if (parts) {
    var soon = null;
    var wake = function () {
      if (!soon) soon = setTimeout(function () { soon = null; refresh(); }, Math.max(250, 2000 - (Date.now() - last)));
    };
    if (window.EventSource && document.body.dataset.events) {
      var source = new EventSource(document.body.dataset.events);
      var first = true;
      source.addEventListener("snapshot", function () { if (!first) wake(); first = false; });
      source.addEventListener("change", wake);
    }
    setInterval(function () { if (open && Date.now() - last > 9500) refresh(); }, 10000);
    document.addEventListener("visibilitychange", function () { if (!document.hidden && again) { again = false; refresh(); } });
  }

  // ---- a list that is filtered while one types ----

  document.querySelectorAll("[data-filters]").forEach(function (input) {
    var list = document.getElementById(input.dataset.filters);
    if (!list) return;
    input.closest("[hidden]") && (input.closest("[hidden]").hidden = false);
    var all = Array.from(list.options);
    input.addEventListener("input", function () {
      var q = input.value.trim().toLowerCase(), kept = list.value, shown = 0;
      all.forEach(function (o) {
        var hit = !q || o.text.toLowerCase().indexOf(q) >= 0;
        o.hidden = !hit;
        if (hit) shown++;
      });
      list.value = kept;
      if (shown === 1 && q) list.value = all.filter(function (o) { return !o.hidden; })[0].value;
      list.dispatchEvent(new Event("change", { bubbles: true }));
    });
    input.addEventListener("keydown", function (e) {
      if (e.key === "Enter") e.preventDefault();
      if (e.key === "ArrowDown") { e.preventDefault(); list.focus(); }
    });
  });

  // ---- the estimate follows the form ----

  document.querySelectorAll("form[data-estimate]").forEach(function (form) {
    var box = document.getElementById(form.dataset.estimate), timer = null, turn = 0;
    if (!box) return;
    form.addEventListener("change", ask);
    form.addEventListener("input", ask);
    function ask(e) {
      if (e && e.target && e.target.dataset.filters) return;
      clearTimeout(timer);
      timer = setTimeout(function () {
        var mine = ++turn, body = new URLSearchParams(new FormData(form));
        body.set("do", "estimate");
        fetch(form.action, { method: "POST", body: body, credentials: "same-origin" })
          .then(function (r) { return r.text(); })
          .then(function (html) {
            var next = new DOMParser().parseFromString(html, "text/html").getElementById(box.id);
            if (next && mine === turn) box.innerHTML = next.innerHTML;
          })
          .catch(function () { /* the server will say it when the form is sent */ });
      }, 350);
    }
  });

  // ---- choices that open a part of the form ----

  function openParts() {
    document.querySelectorAll("[data-when]").forEach(function (el) {
      var c = document.getElementById(el.dataset.when);
      el.hidden = !(c && c.checked);
    });
  }
  if (document.querySelector("[data-when]")) {
    document.addEventListener("change", openParts);
    openParts();
  }

  // ---- small things ----

  document.querySelectorAll("form[data-autosubmit]").forEach(function (f) { f.requestSubmit(); });
  document.querySelectorAll("select[data-submit]").forEach(function (s) {
    s.addEventListener("change", function () { s.form.requestSubmit(); });
  });
  document.addEventListener("submit", function (e) {
    // A second click while the first is under way changes nothing.
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    if (e.target.method === "post") {
      e.target.dataset.sent = "1";
      setTimeout(function () { delete e.target.dataset.sent; }, 4000);
    }
  });
  document.querySelectorAll("[data-copy]").forEach(function (b) {
    b.hidden = !navigator.clipboard;
    b.addEventListener("click", function () {
      navigator.clipboard.writeText(document.getElementById(b.dataset.copy).textContent.trim()).then(function () {
        b.textContent = b.dataset.done;
      });
    });
  });
  var invalid = document.querySelector("[aria-invalid=true]");
  if (invalid) invalid.focus();
})();
