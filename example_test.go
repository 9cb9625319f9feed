package certkeep_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/certkeep/certkeep"
)

// An HTTPS server for a name that leads to this machine. It keeps its
// certificate in the folder /var/lib/hallo.
func Example() {
	keeper, err := certkeep.Open(certkeep.Options{Config: `
state: /var/lib/hallo
accept_terms: true
defaults: {files: []}
certificates: {www.example.com: {names: [www.example.com, example.com]}}`})
	if err != nil {
		log.Fatal(err)
	}
	defer keeper.Close()
	site := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hallo") })
	go http.ListenAndServe(":80", keeper.HTTPHandler(nil))
	server := &http.Server{Addr: ":443", Handler: keeper.HTTPHandler(site), TLSConfig: keeper.TLSConfig()}
	log.Print(server.ListenAndServeTLS("", ""))
}

// A server that has the certificates of the daemon on the same machine, and
// keeps them itself while that does not run.
func ExampleOpen() {
	keeper, err := certkeep.Open(certkeep.Options{ConfigFile: "/etc/certkeep/certkeep.yaml"})
	if err != nil {
		log.Fatal(err)
	}
	defer keeper.Close()
	server := &http.Server{Addr: ":8443", TLSConfig: keeper.TLSConfig()}
	log.Print(server.ListenAndServeTLS("", ""))
}

// Certificates for the domains of customers, had when the first visitor comes.
func ExampleOptions_onDemand() {
	var customers *sql.DB
	keeper, err := certkeep.Open(certkeep.Options{
		Config: "state: /var/lib/shop\naccept_terms: true\ndefaults: {files: []}",
		OnDemand: func(ctx context.Context, name string) error {
			var id int
			err := customers.QueryRowContext(ctx, "SELECT id FROM domains WHERE name = $1", name).Scan(&id)
			if errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("%w: no customer has it", certkeep.ErrNotAllowed)
			}
			return err // of a database that is down, say: what is kept is kept on
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer keeper.Close()
	server := &http.Server{Addr: ":443", TLSConfig: keeper.TLSConfig()}
	log.Print(server.ListenAndServeTLS("", ""))
}
