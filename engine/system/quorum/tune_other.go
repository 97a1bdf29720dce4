//go:build !linux

package quorum

import "net"

// tune sets a connection's options.
func tune(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(keepAlive)
	}
}
