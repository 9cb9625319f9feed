package engine

import (
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// ask asks for certificates as a person would.
func (f *fixture) ask(kind plan.AskKind, names ...string) {
	f.Helper()
	if err := f.Ask(f.Context(), kind, names, ""); err != nil {
		f.Fatal(err)
	}
}

// account is what is stored of the account at an issuer.
func (f *fixture) account(issuer string) store.Account {
	f.Helper()
	account, err := f.store.Account(f.Context(), issuer)
	if err != nil {
		f.Fatal(err)
	}
	return account
}
