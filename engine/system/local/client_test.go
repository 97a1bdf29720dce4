package local_test

import (
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api/apitest"
)

// TestClient holds the fleet's own client and the one over its socket to the
// same suite.
func TestClient(t *testing.T) {
	t.Run("InProcess", func(t *testing.T) {
		apitest.TestClient(t, func(t *testing.T) apitest.Fixture {
			r := start(t, small)
			return apitest.Fixture{Client: r.fleet.Client(), Gone: r.close}
		})
	})
	t.Run("Socket", func(t *testing.T) {
		apitest.TestClient(t, func(t *testing.T) apitest.Fixture {
			r := start(t, small)
			return apitest.Fixture{Client: r.socket(t), Gone: r.close}
		})
	})
}
