// Package tui is the console: the screens that draw the fleet and the keys
// that act on it, on top of api.Client and nothing else of the engine.
//
// # Shape
//
//	run.go      Options, Supported, Run: the terminal program around the model
//	app.go      the one model: messages in, one cached frame out
//	take.go     what an update does to the model: ten a second in, one a second drawn
//	past.go     kept pictures, for < and >
//	keyboard.go which key means what here and now; every action that is the root's
//	act.go      plan, ask, do, receipt, take back
//	frame.go    header, screens, status line, footer, strip for tiny terminals
//	pages.go    the list of pages
//	page/       the pages, one a file      widget/  drawing on cells
//	keys/       the one table of keys      theme/   what tokens look like
//	dialog/     plan, palette, help, explain
//	feed/       Client.Watch as messages; connects again by itself
//	wall/       the wallboard
//
// # To add a page
//
// See package page.
//
// # Rules
//
// Dialogs open inside Update, never through a Cmd, so that keys typed ahead do
// not reach the page below. No View asks for the time. One dirty flag: a frame
// that did not change costs nothing. No goroutine touches the model. Pages do
// not import each other.
package tui
