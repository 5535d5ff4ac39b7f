// SPDX-License-Identifier: GPL-2.0-or-later
//
// www/chooser.js - logs in, shows the user's sessions, and opens the HTML5 client on one of them. In the
// browser; talks to nobody but the server that it came from. That keeps nothing: the client logs in again,
// with the name and the password that it finds where its own connect.html would have put them.
"use strict";

const at = (id) => document.getElementById(id);
let account = null; // whose sessions are shown

// Newer clients look for one object per folder, others for one item each; each forgets the password when
// it has read it, the other's would stay.
const oneObject = fetch("js/Utilities.js")
	.then((answer) => answer.text())
	.then((text) => text.includes("getSessionStoragePrefix"))
	.catch(() => false);

async function open(session) {
	const folder = location.pathname.slice(0, location.pathname.lastIndexOf("/"));
	const wishes = { username: account.username, password: account.password, display: session.display,
		action: "connect", submit: "true" };

	sessionStorage.clear();
	if (await oneObject)
		sessionStorage.setItem(folder, JSON.stringify(wishes));
	else
		for (const [key, value] of Object.entries(wishes))
			sessionStorage.setItem(key, value);
	location.assign("index.html");
}

function show(id, title) {
	for (const part of ["login", "insecure", "choice"])
		at(part).hidden = part !== id;
	at("title").textContent = title;
	document.title = title + " – xproxy";
}

function fail(text) {
	at("error").textContent = text;
	at("status").textContent = "";
}

// ---- the login

function showLogin() {
	account = null;
	at("password").value = "";
	fail("");
	show("login", "Log in");
	at("username").focus();
}

function showInsecure() {
	at("https").href = "https://" + location.host + location.pathname;
	show("insecure", "https is needed");
}

async function ask(fields) {
	let answer;

	try {
		answer = await fetch("Sessions", { method: "POST", body: new URLSearchParams(fields), cache: "no-store" });
	} catch {
		throw new Error("The server does not answer. Try again.");
	}
	const got = await answer.json().catch(() => ({}));
	if (answer.ok)
		return got.sessions;
	// in the words of the server: "authentication failed"
	throw new Error(got.error ? got.error[0].toUpperCase() + got.error.slice(1) + "." : "Error " + answer.status + ".");
}

async function logIn(event) {
	const submit = at("submit"), fields = { username: at("username").value, password: at("password").value };

	event.preventDefault();
	if (submit.ariaDisabled === "true")
		return;
	submit.ariaDisabled = "true"; // still there for the keyboard
	fail("");
	at("status").textContent = "Logging in…";
	try {
		const sessions = await ask(fields);
		account = fields;
		showSessions(sessions);
	} catch (e) {
		fail(e.message);
		at("password").select();
		at("password").focus();
	}
	submit.ariaDisabled = "false";
}

// ---- the choice

function line(parent, className, text) {
	const span = document.createElement("span");

	span.className = className;
	span.textContent = text;
	parent.append(span);
}

function about(session) {
	const words = [];

	if (session.name && session.display !== session.name && !session.display.includes("//")) // not an address: that is the host's
		words.push(session.display);
	if (session.host)
		words.push("on " + session.host);
	if (session.since)
		words.push("since " + new Date(session.since * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));
	return words.join(", ");
}

function item(session) {
	const li = document.createElement("li"), button = document.createElement("button");

	button.type = "button";
	line(button, "name", session.name || session.display);
	line(button, "about", about(session));
	button.addEventListener("click", () => open(session));
	li.append(button);
	return li;
}

function showSessions(sessions) {
	at("password").value = "";
	at("sessions").replaceChildren(...sessions.map(item));
	at("status").textContent = "";
	if (sessions.length === 1) {
		at("status").textContent = "Opening your session…";
		open(sessions[0]);
		return;
	}
	show("choice", sessions.length ? "Choose a session" : "No sessions");
	if (sessions.length === 0) {
		at("status").textContent = "There is no session for " + account.username + " now.";
		at("again").focus();
		return;
	}
	at("status").textContent = sessions.length + " sessions of " + account.username + ".";
	at("sessions").querySelector("button").focus();
}

// Arrows go through the list as Tab does; Enter is the button's own.
function move(event) {
	const buttons = [...at("sessions").querySelectorAll("button")], i = buttons.indexOf(document.activeElement);
	const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: buttons.length - 1 }[event.key];

	if (to === undefined || !buttons[to])
		return;
	event.preventDefault();
	buttons[to].focus();
}

at("login").addEventListener("submit", logIn);
at("sessions").addEventListener("keydown", move);
at("again").addEventListener("click", showLogin);
// Back from the client: the browser may show the page as it was left.
addEventListener("pageshow", (event) => event.persisted && location.reload());
if (isSecureContext)
	showLogin();
else
	showInsecure();
