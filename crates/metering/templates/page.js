"use strict";
// Sorting, and nothing else: the page is complete without it.
(function () {
  var table = document.getElementById("tenants");
  if (!table) return;
  var body = table.tBodies[0];
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);

  function key(row, at) {
    return row.cells[at].getAttribute("data-key") || "";
  }

  // What has no key comes last, whichever way it is sorted.
  function compare(a, b, at, number, sign) {
    var left = key(a, at);
    var right = key(b, at);
    if (left === "" || right === "") return (left === "") - (right === "");
    if (number) return sign * (Number(left) - Number(right));
    return sign * left.localeCompare(right, undefined, { numeric: true, sensitivity: "base" });
  }

  function sort(at, direction) {
    var number = heads[at].classList.contains("n");
    var sign = direction === "ascending" ? 1 : -1;
    var rows = Array.prototype.slice.call(body.rows);
    rows.sort(function (a, b) {
      return compare(a, b, at, number, sign);
    });
    rows.forEach(function (row) {
      body.appendChild(row);
    });
    heads.forEach(function (head, other) {
      head.setAttribute("aria-sort", other === at ? direction : "none");
    });
  }

  heads.forEach(function (head, at) {
    head.querySelector("button").addEventListener("click", function () {
      var now = head.getAttribute("aria-sort");
      var first = head.classList.contains("n") ? "descending" : "ascending";
      var other = first === "descending" ? "ascending" : "descending";
      sort(at, now === first ? other : first);
    });
  });

  // A link can carry the order: #sort=Net-ascending
  var wanted = /^#sort=(.+)-(ascending|descending)$/.exec(decodeURIComponent(location.hash));
  if (wanted) {
    var at = heads.findIndex(function (head) {
      return head.textContent.trim() === wanted[1];
    });
    if (at >= 0) sort(at, wanted[2]);
  }
  table.setAttribute("data-sortable", "yes");
})();
