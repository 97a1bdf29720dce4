// Package keys is the one table of the console's keys. The footer, the help
// that can be run, the documentation and the tests are made from it.
//
// lower case looks, UPPER CASE acts. No lower-case key changes anything in the
// fleet; + - = _ change a buffer of staged weights, and nothing else, until A.
// What a capital does depends on what is selected, never on the page, so that D
// drains a backend wherever that backend is seen:
//
//	D  drain                      backend, host
//	E  end the drain              backend, host
//	U  force up                   backend
//	N  force down (N for not up)  backend
//	P  give it back to its probes backend
//	K  kill it (fault)            backend
//	F  freeze it (fault)          backend
//	S  make it slow (fault)       backend
//	T  restart it (fault)         backend
//	C  clear the fault            fault, or the backend that has one
//	A  apply the staged weights   anywhere
//	R  run the drill              drill
//	X  abort the drill, then y    anywhere while one is under way
//	Z  take the last act back     anywhere, for ten seconds
//
// Parse reads a command in the words of the command line; the palette and the
// keys make the same api.Command.
package keys
