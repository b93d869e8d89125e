// Keeps dates whole and numbers with their units where a line ends, on the service's pages and in the files of a week.
"use strict";
(() => {
  const UNIT = "户|个|次|人|岁|条|周|天|日|月|年|分钟|分|小时|点|项|万|元|成|位|件|名|级|行|页|回|倍|组|份|期|号|楼|%|％";
  const COUNTED = "weeks?|days?|months?|years?|households?|visits?|seats?|people|rows?";
  const WHOLE = new RegExp([
    "(?:[今去明前]年|\\d{4}年)?\\d{1,2}月(?:\\d{1,2}日)?",
    "\\d+栋(?:\\d+单元)?\\d*",
    `[A-Z]{0,2}\\d[\\d.:]*(?:[-–/]\\d[\\d.:]*)*(?: ?(?:${UNIT})| (?:${COUNTED})\\b)?`,
  ].join("|"), "g");
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT, (text) =>
    text.parentElement.closest("script, style, svg, option, textarea") || !/\d/.test(text.data) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  const found = [], laidOut = (text) => /flex|grid/.test(getComputedStyle(text.parentElement).display); // there blanks beside a span go
  while (texts.nextNode()) if (!laidOut(texts.currentNode)) found.push(texts.currentNode);
  for (const text of found)
    for (const { 0: words, index } of [...text.data.matchAll(WHOLE)].reverse()) {
      text.splitText(index + words.length);
      const whole = Object.assign(document.createElement("span"), { className: "unbroken" });
      text.splitText(index).replaceWith(whole);
      whole.textContent = words;
    }
})();
