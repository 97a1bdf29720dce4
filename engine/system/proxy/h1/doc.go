// Package h1 carries one HTTP/1.1 request to a backend and its answer back, on
// the goroutine of the one who asks.
//
// The standard library's transport keeps two goroutines for each connection;
// handing a short request to them and back costs more than the request. Here the
// caller writes, waits and reads by itself; only a body that is not at hand is
// sent by a goroutine of its own, so that an answer may come before its end.
//
// # Told
//
// A Call: one request, with its head as bytes. Abort ends it from outside.
//
// # Asks
//
// Nothing but the backend: whether a failed request may be sent again, and
// where, is for the caller to say.
//
// # Promises
//
//   - A connection is used again only when the request was sent whole, the answer
//     ended where it said it would, and nothing came behind it: neither at once
//     nor while it lay idle. What a backend sends unasked answers nobody.
//   - Before a connection is used again it is seen to be open. One that dies
//     all the same before the first byte of an answer costs a request that may
//     be sent again nothing: it goes to the same backend over a new one, once.
//   - An answer whose end could be seen in two places is refused: two lengths, a
//     length beside chunked, a coding that is not known, a line folded or not
//     ended by CRLF, a control character.
//   - Heads, trailers, chunk lines, interim answers, idle connections and their
//     age are bounded.
//   - When Close returns, nobody reads the request's body any more.
//
// # Refuses
//
// HTTP/2, pipelining, and anything that a request's meaning would have to be
// known for.
//
// # Differs
//
// From RFC 9112: a line that ends by LF alone is refused in answers (section 2.2
// allows it); an empty reason may come without its space.
package h1
