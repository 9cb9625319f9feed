package issuer

import (
	"testing"
	"testing/cryptotest"
)

// TestDirectoriesAreToldApart: what the library keeps of directories, for the
// whole process, is found again by the same content alone.
func TestDirectoriesAreToldApart(t *testing.T) {
	client := func(body string) string {
		t.Helper()
		cryptotest.SetGlobalRandom(t, 1) // what is drawn may come again
		f, ca := newFake(t)
		f.json("/dir", body)
		if err := ca.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return ca.dir.Load().client.Directory
	}
	one := `{"newNonce":"https://ca.test/nonce","newAccount":"https://ca.test/account","newOrder":"https://ca.test/order"}`
	other := `{"newNonce":"https://ca.test/nonce","newAccount":"https://ca.test/account","newOrder":"https://ca.test/another"}`
	if client(one) == client(other) {
		t.Error("two directories are one to the library")
	}
	if first, again := client(one), client(one); first != again {
		t.Error("one directory is two to the library, which forgets none")
	}
}
