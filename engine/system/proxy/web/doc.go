// Package web carries HTTP requests to backends: HTTP/1.1, HTTP/2, WebSocket, over
// TLS or not.
//
// Towards clients it stands on the standard library's server, towards backends on
// h1, and for HTTP/2 on the library's transport. What a client sent is parsed and
// written anew for the backend, and a backend's answer for the client, so that
// two readings of one length cannot differ behind us.
//
// # Told
//
// Connections of one listener, and its settings as they change.
//
// # Asks
//
// Of flow, a place for each request, and a retry from the pool's budget.
//
// # Promises
//
//   - A request is sent again only while the client has got nothing of an answer
//     and nothing of its body is gone; and only if it surely did not arrive or
//     its method is idempotent (RFC 9110 section 9.2.2).
//   - A request that may be sent again does not wait for a backend that went
//     down meanwhile, if another one is up.
//   - An idle connection that died costs no request that may be sent again, and
//     nothing of the budget; nor do requests that a backend died with.
//   - A short body that came with its head goes out with it, and can be sent
//     again. Any other one streams, and the answer may come before its end.
//   - An answer that breaks off in the middle breaks off for the client, too.
//   - A client that has closed its sending half gets its answer. One that has
//     gone without an answer never looks as if it got one.
//   - Hop-by-hop headers end here; what a client says of X-Forwarded-* passes
//     only if the client is trusted.
//   - Heads are bounded in size and time, and a slow one hears a 408; bodies are
//     bounded in the time without a byte.
//
// # Refuses
//
// CONNECT, and changes of protocol over HTTP/2. Caching, compression, rewriting.
//
// # Differs
//
// From RFC 9112: line ends of LF alone and folded headers are accepted as the
// library does, and written anew; a Content-Length beside chunked is dropped
// (section 6.3) but the connection goes on; over HTTP/1.0 a Transfer-Encoding is
// refused, which the library hides, and a body without a Content-Length; any
// connection of HTTP/1.0 but of GET and HEAD is closed, and over TLS, where the
// hidden header cannot be found, those too. The proxy's testdata/smuggling.txt
// says what each such request gets. A 100 is the server's, said when the backend
// wants the body or after a second.
package web
