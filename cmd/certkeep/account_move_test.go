package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
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
	url, err := writeAcmebotAccount(issuer.Config{ID: "test", Directory: ts.Getenv("DIRECTORY"), Roots: []byte(ts.ReadFile("roots.pem"))}, ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Setenv("URL", url)
}

// writeAcmebotAccount makes an account at a CA, and writes it into a folder as
// acmebot does.
func writeAcmebotAccount(to issuer.Config, folder string) (url string, err error) {
	to.UserAgent = "acmebot"
	ca, err := issuer.New(to)
	if err != nil {
		return "", err
	}
	defer ca.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	account, err := ca.Register(context.Background(), issuer.Registration{Key: key, AgreeTerms: func(string) error { return nil }})
	if err != nil {
		return "", err
	}
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	text, err := json.Marshal(map[string]string{
		"n": number(key.N), "e": number(big.NewInt(int64(key.E))), "d": number(key.D), "p": number(key.Primes[0]), "q": number(key.Primes[1]),
		"dp": number(key.Precomputed.Dp), "dq": number(key.Precomputed.Dq), "qi": number(key.Precomputed.Qinv),
	})
	if err != nil {
		return "", err
	}
	return account.URL, errors.Join(os.MkdirAll(folder, 0o700),
		os.WriteFile(filepath.Join(folder, "client_key.json"), text, 0o600),
		os.WriteFile(filepath.Join(folder, "registration.json"), fmt.Appendf(nil, `{"body": {}, "uri": %q}`, account.URL), 0o600))
}
