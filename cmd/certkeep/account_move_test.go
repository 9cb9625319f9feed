package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/certkeep/certkeep/internal/issuer"
)

// acmebotAccount makes an account at the CA and writes it into a folder as
// acmebot does.
func acmebotAccount(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	if len(args) != 1 {
		ts.Fatalf("usage: acmebot-account FOLDER")
	}
	ca, err := issuer.New(issuer.Config{ID: "test", Directory: ts.Getenv("DIRECTORY"), Roots: []byte(ts.ReadFile("roots.pem")), UserAgent: "acmebot"})
	ts.Check(err)
	defer ca.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ts.Check(err)
	account, err := ca.Register(context.Background(), issuer.Registration{Key: key, AgreeTerms: func(string) error { return nil }})
	ts.Check(err)
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	text, err := json.Marshal(map[string]string{
		"n": number(key.N), "e": number(big.NewInt(int64(key.E))), "d": number(key.D), "p": number(key.Primes[0]), "q": number(key.Primes[1]),
		"dp": number(key.Precomputed.Dp), "dq": number(key.Precomputed.Dq), "qi": number(key.Precomputed.Qinv),
	})
	ts.Check(err)
	folder := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(folder, 0o700))
	ts.Check(os.WriteFile(filepath.Join(folder, "client_key.json"), text, 0o600))
	ts.Check(os.WriteFile(filepath.Join(folder, "registration.json"), fmt.Appendf(nil, `{"body": {}, "uri": %q}`, account.URL), 0o600))
	ts.Setenv("URL", account.URL)
}
