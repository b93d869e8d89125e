// Runs before the page is drawn: while a sign-out still waits for a connection, nothing of anybody's page is shown
// (style.css). visits.js ends the session then, or shows the page of whoever signed in after.
"use strict";
try {
  if (localStorage.getItem("xianying.left")) document.documentElement.classList.add("left");
} catch {} // nothing can be kept in this browser
