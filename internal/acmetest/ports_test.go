package acmetest

import "testing"

// No port is given twice to those who have not begun to listen.
func TestFreePortIsGivenOnce(t *testing.T) {
	t.Parallel()
	given := map[int]bool{}
	for range 500 { // of 12,000: chance alone would give some ten of them twice
		port, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if given[port] {
			t.Fatalf("port %d was given twice", port)
		}
		given[port] = true
	}
}
