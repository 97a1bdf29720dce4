// Package storytest tells the stories of a decider's tests: text files in
// testdata that say what happens and what came of it. It is for tests.
//
// A story is a paragraph that says what is shown, then blocks: lines of what
// happens, a line of four dashes, and what came of those lines up to an empty one:
//
//	A backend that is killed goes out of its pool.
//
//	kill b1
//	run 2s
//	----
//	backend/b1 is out of its pool: connection refused, 2 in a row
//
// With -update a story's answers are written as they are now; read the
// difference before you keep it.
package storytest
