package store

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestEveryFieldIsSpecified: docs/STORE.md names every field that a record
// may have, in the section or row of the record or part that has it.
func TestEveryFieldIsSpecified(t *testing.T) {
	text, err := os.ReadFile("../../docs/STORE.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	for begin, records := range map[string][]any{
		"### groups/GROUP":             {groupRecord{}, plan.KnownCert{}},
		"### keysets/KEYS":             {keySetRecord{}},
		"| **keys of a type** |":       {plan.KeySet{}},
		"| **a key** |":                {plan.Key{}},
		"| **rollover** |":             {plan.Rollover{}},
		"| **asked rollover** |":       {plan.AskedRollover{}},
		"### versions/NAME/ID":         {versionRecord{}},
		"### keys/FINGERPRINT":         {keyRecord{}},
		"### accounts/ISSUER":          {accountRecord{}, Intention{}, Archived{}},
		"### issuers/ISSUER":           {issuerRecord{}},
		"### banned/FINGERPRINT":       {banRecord{}},
		"| **authorized** |":           {plan.Authorized{}},
		"| **revocation** |":           {plan.Revocation{}},
		"### nodes/NODE/targets/NAME":  {targetsRecord{}},
		"### nodes/NODE/keysets/KEYS":  {sharedRecord{}},
		"### nodes/NODE/channels/NAME": {channelRecord{}},
		"| **told** |":                 {plan.Told{}},
		"| **sending** |":              {plan.Sending{}},
		"| **message** |":              {plan.Message{}},
		"| **group of notices** |":     {plan.NoticeGroup{}},
		"| **notice** |":               {plan.Notice{}},
		"### statements/NAME/KEYTYPE":  {statementsRecord{}, OCSPResponse{}},
		"### events/NAME":              {Event{}},
		"## Secrets":                   {Envelope{}},
		"### seal":                     {sealRecord{}},
		"| **version** |":              {plan.Version{}},
		"| **pair** |":                 {plan.Pair{}},
		"| **request** |":              {plan.Request{}},
		"| **order** |":                {plan.Order{}},
		"| **tries** |":                {plan.Tries{}},
		"| **fault** |":                {plan.Fault{}},
		"| **reason** |":               {plan.Reason{}},
		"| **advice** |":               {plan.Advice{}},
		"| **staple** |":               {plan.Staple{}},
		"| **receipts** |":             {plan.Receipts{}},
		"| **receipt** |":              {plan.Receipt{}},
		"| **embedded** |":             {plan.Embedded{}},
		"| **ask** |":                  {plan.Ask{}},
		"| **issue** |":                {plan.Issued{}},
		"| **tlsa** |":                 {plan.KnownTLSA{}},
		"| **tlsa facts** |":           {plan.TLSAFacts{}, plan.TLSARecord{}},
		"| **target** |":               {plan.Target{}},
		"| **file** |":                 {plan.File{}},
		"| **verify** |":               {plan.VerifyFact{}},
		"| **result** |":               {plan.Result{}},
		"| **refused** |":              {plan.Refused{}},
		"| **placeholder** |":          {plan.Placeholder{}},
	} {
		_, section, found := strings.Cut(doc, "\n"+begin)
		if !found {
			t.Errorf("docs/STORE.md has no %q", begin)
			continue
		}
		end := "\n|" // a row is one line
		if begin[0] == '#' {
			end = "\n" + begin[:strings.IndexByte(begin, ' ')+1]
		}
		section, _, _ = strings.Cut(section, end)
		for _, record := range records {
			for _, name := range jsonNames(reflect.TypeOf(record)) {
				if name != "format" && !strings.Contains(section, "`"+name+"`") && !strings.Contains(section, `"`+name+`":`) {
					t.Errorf("docs/STORE.md does not speak of %q (%T) at %q", name, record, begin)
				}
			}
		}
	}
}

// jsonNames lists the names of a struct's fields in JSON.
func jsonNames(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			names = append(names, jsonNames(f.Type)...)
		default:
			names = append(names, name)
		}
	}
	return names
}
