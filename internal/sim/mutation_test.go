package sim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
)

// mutant is a disk with a defect.
type mutant struct {
	durable.Disk
	create func(path string, data []byte) []byte
	rename func(oldPath, newPath string) bool // false: it is not done, and nobody is told
	remove func(path string) bool
}

func (m mutant) Create(path string, data []byte, a durable.Attr) error {
	if m.create != nil {
		data = m.create(path, data)
	}
	return m.Disk.Create(path, data, a)
}

func (m mutant) Rename(oldPath, newPath string) error {
	if m.rename != nil && !m.rename(oldPath, newPath) {
		return m.Disk.Remove(oldPath)
	}
	return m.Disk.Rename(oldPath, newPath)
}

func (m mutant) Remove(path string) error {
	if m.remove != nil && !m.remove(path) {
		return nil
	}
	return m.Disk.Remove(path)
}

// TestMutations switches a defect on for each invariant, which must catch it.
func TestMutations(t *testing.T) {
	for i, test := range []struct {
		name     string
		years    float64
		mutation Mutation
		caught   string
	}{
		{"a record is cut off", 0.3, cutOff(), "is damaged"},
		{"a key that does not fit", 0.05, anotherKey(t), "what does not fit together"},
		{"half of spread files", 0.6, halfSpread(), "what does not fit together"},
		{"an older certificate", 0.6, older(), "was replaced by one of"},
		{"another CA is asked", 0.05, replaced("issuer: [one]", "issuer: [two]"), "which it is not to be asked of"},
		{"no renewal", 0.6, noRenewal(), "though all was well"},
		{"nothing is remembered", 0.3, forgetful(), "without a need"},
		{"a CA is not left alone", 0.6, noRetryAfter(), "asked again"},
		{"a service is not told", 0.3, Mutation{Reload: "true"}, "target default is"},
		{"one CA holds up another", 0.6, chained(), "something else held it up"},
		{"what is old is never removed", 0.6, Mutation{Disk: hoarder}, "more than"},
		{"a key in use is deleted", 0.6, careless(), "refer to a key that is not there"},
		{"one kind of key is left behind", 0.6, leftBehind(), "(second): it expired"},
		{"one kind of key is never signed", 0.3, oneKind(), "(second): nothing is installed"},
		{"records are not waited for", 0.6, impatient(), "a client that does DANE refuses"},
		{"a responder is not heard", 0.3, unheard("ocsp"), "no OCSP response of its"},
		{"a responder hides what is revoked", 0.6, hiding(), "it serves a certificate that was revoked"},
		{"half of a response is kept", 0.05, half("/out/ocsp/"), "is no OCSP response"},
		{"half of a receipt is kept", 0.15, half("/out/sct/"), "there is no receipt for its"},
		{"no name is set aside", 0.15, replaced("quarantine: true", "quarantine: false"), "nothing is installed, or a placeholder, though all was well"},
		{"a name that was set aside does not come back", 0.3, once(), "is not on [\"old."},
		{"no maintenance window is waited for", 2, replaced("maintenance: {", "maintenance: false # {"), "outside of its maintenance window"},
		{"nobody is told of what is wrong", 0.3, replaced("events: [errored, expiring, verify-failed, rolled-back, revoked, problem, solved,", "events: ["), "nobody was told"},
		{"nothing is revoked that a person wants revoked", 0.6, unheard("revoke-cert"), "was to be revoked"},
		{"challenges are answered by a node that may not", 1, replaced("solve: false", "solve: true"), "though this node may answer none"},
		{"names without a certificate are not kept proven", 0.15, replaced("authorizations: [", "#authorizations: ["), "is not proven at two"},
		{"people are told of everything at once", 0.1, replaced("limit: 1", "limit: 600"), "times within an hour"},
	} {
		if i >= mutations {
			break
		}
		t.Run(test.name, func(t *testing.T) { wantCaught(t, 10, test.years, test.mutation, test.caught) })
	}
}

// wantCaught switches a defect on and wants the judge to say so in such words.
func wantCaught(t *testing.T, certificates int, years float64, m Mutation, caught string) {
	t.Helper()
	wantCaughtIn(t, 7, certificates, years, m, caught)
}

// wantCaughtIn does so in the history of a seed.
func wantCaughtIn(t *testing.T, seed uint64, certificates int, years float64, m Mutation, caught string) {
	t.Helper()
	r := Run(t, Options{Seed: seed, Years: years, Certificates: certificates, Requests: 0.01, Mutation: m, Until: caught})
	if !slices.ContainsFunc(r.Breaches, func(b string) bool { return strings.Contains(b, caught) }) {
		t.Errorf("the defect was not caught; breaches: %q", r.Breaches)
		for _, line := range r.Trace {
			t.Log(line)
		}
	}
}

// TestMutationsOfMany does so in a world with those certificates, too, that a
// small one does not have.
func TestMutationsOfMany(t *testing.T) {
	for _, test := range []struct {
		name         string
		certificates int
		years        float64
		mutation     Mutation
		caught       string
	}{
		{"a CA's limits are not known", 14, 0.05, replaced("per_domain: 2/7d", "per_domain: none"), "by a limit that it publishes"},
		{"a protected name is set aside", 16, 0.1, protectsAnother(), "without its first name"},
		{"what a person renews is renewed by itself", 15, 0.3, replaced("mode: manual", "mode: auto"), "nobody asked for it"},
	} {
		if seeds < 20 { // under the race detector
			break
		}
		t.Run(test.name, func(t *testing.T) { wantCaught(t, test.certificates, test.years, test.mutation, test.caught) })
	}
}

// TestMutationsOfRollovers does so in a history in which one of two certificates on
// the same keys is signed long before the other.
func TestMutationsOfRollovers(t *testing.T) {
	wantCaughtIn(t, 1, 10, 1, rash(), "it is installed on other keys")
}

// TestMutationsOfBans does so in a history in which a key that outlives its
// certificate is known to others.
func TestMutationsOfBans(t *testing.T) {
	if seeds < 20 { // under the race detector
		return
	}
	wantCaughtIn(t, 1, 10, 0.5, unbanned(), "signed for a key that was said to be compromised")
}

// TestMutationsOfSeals does so in a history whose store is sealed from the first
// day on.
func TestMutationsOfSeals(t *testing.T) {
	wantCaughtIn(t, 8, 4, 0.05, replaced("store_key_file:", "#"), "a secret lies in the clear")
}

// TestMutationsOfAges does so in a history in which nobody asks for other keys, and
// their age does.
func TestMutationsOfAges(t *testing.T) {
	wantCaughtIn(t, 7, 6, 0.08, stays("/out/private/both."), "the file of its keys has another")
	wantCaughtIn(t, 7, 6, 0.08, replaced("auto_rollover: true", "auto_rollover: false"), "though it is to change by itself")
}

// TestMutationsOfLists does so in a history in which a certificate is revoked five
// times, and nothing but its CA's list says so.
func TestMutationsOfLists(t *testing.T) {
	if seeds < 20 { // under the race detector
		return
	}
	wantCaughtIn(t, 16, 10, 0.6, unheard("crl"), "it serves a certificate that was revoked")
}

// anotherKey installs keys that belong to nothing.
func anotherKey(t *testing.T) Mutation {
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	text, err := keys.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, create: func(path string, data []byte) []byte {
			if filepath.Base(path) == "privkey.pem" {
				return text
			}
			return data
		}}
	}}
}

// halfSpread renews the key of spread files, and not the chain.
func halfSpread() Mutation { return stays("/out/public/") }

// stays never changes the files of a folder once they are there.
func stays(folder string) Mutation {
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, rename: func(_, path string) bool {
			_, err := os.Stat(path)
			return err != nil || !strings.Contains(path, folder)
		}}
	}}
}

// older writes, from the third version of a certificate on, the one before the
// last.
func older() Mutation {
	var mu sync.Mutex
	tags := map[string][]string{}  // by folder of versions
	written := map[string][]byte{} // by folder, tag and file
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, create: func(path string, data []byte) []byte {
			version, file := filepath.Split(path)
			folder, tag := filepath.Split(filepath.Clean(version))
			if !strings.Contains(folder, "/.versions/") {
				return data
			}
			mu.Lock()
			defer mu.Unlock()
			if n := len(tags[folder]); n == 0 || tags[folder][n-1] != tag {
				tags[folder] = append(tags[folder], tag)
			}
			written[path] = data
			if n := len(tags[folder]); n > 2 {
				if before, ok := written[filepath.Join(folder, tags[folder][n-3], file)]; ok {
					return before
				}
			}
			return data
		}}
	}}
}

// noRenewal is a CA that opens no order any more, and seems well.
func noRenewal() Mutation {
	begun := dawn().Add(time.Hour)
	return Mutation{CA: func(g map[string]*gate, name string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if kindOf(r.URL.Path) == "new-order" && g[name].now().After(begun) {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}}
}

// forgetful stores nothing of what is known of a certificate, nor its versions.
func forgetful() Mutation {
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, rename: func(_, path string) bool {
			return !strings.Contains(path, "/records/groups/") && !strings.Contains(path, "/records/versions/") && !strings.Contains(path, "/targets/")
		}}
	}}
}

// noRetryAfter hides from the client when it may ask again.
func noRetryAfter() Mutation {
	return Mutation{CA: func(_ map[string]*gate, _ string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			for k, v := range answer.Header() {
				if k != "Retry-After" {
					w.Header()[k] = v
				}
			}
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		})
	}}
}

// chained is a calm CA that is down for good once another was.
func chained() Mutation {
	var broken atomic.Bool
	return Mutation{CA: func(g map[string]*gate, name string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !g["one"].isUp() || !g["two"].isUp() {
				broken.Store(true)
			}
			if name == calmCA && broken.Load() {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}}
}

// cutOff writes half of one certificate's record.
func cutOff() Mutation {
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, create: func(path string, data []byte) []byte {
			if strings.Contains(path, "/records/groups/.c2.test.json") && strings.Contains(string(data), "versions") {
				return data[:len(data)/2]
			}
			return data
		}}
	}}
}

// hoarder removes no key and no version.
func hoarder(d durable.Disk) durable.Disk {
	return mutant{Disk: d, remove: func(path string) bool {
		return strings.Contains(path, ".tmp-") || !strings.Contains(path, "/records/keys/") && !strings.Contains(path, "/records/versions/")
	}}
}

// careless removes the key that was stored last whenever keys are pruned.
func careless() Mutation {
	var mu sync.Mutex
	var last string
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, rename: func(_, path string) bool {
			if mu.Lock(); strings.Contains(path, "/records/keys/") {
				last = path
			}
			mu.Unlock()
			return true
		}, remove: func(path string) bool {
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(path, "/records/keys/") && !strings.Contains(path, ".tmp-") && last != "" {
				_ = os.Remove(last)
			}
			return true
		}}
	}}
}

// rash makes the keys that a rollover leads to the primary ones as it begins.
func rash() Mutation {
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, create: func(path string, data []byte) []byte {
			var record map[string]any
			if !strings.Contains(path, "/"+sharedKeys+".json") && !strings.Contains(path, "/."+sharedKeys+".json") || json.Unmarshal(data, &record) != nil {
				return data
			}
			rolling, begun := record["rolling"].(map[string]any)
			sets, _ := record["keys"].(map[string]any)
			if !begun {
				return data
			}
			for keyType, key := range rolling["keys"].(map[string]any) {
				if set, ok := sets[keyType].(map[string]any); ok {
					set["previous"] = set["primary"]
					set["primary"] = map[string]any{"sha256": key, "made": rolling["at"], "since": rolling["at"]}
					delete(set, "next")
				}
			}
			delete(record, "rolling")
			text, err := json.Marshal(record)
			if err != nil {
				return data
			}
			return append(text, '\n')
		}}
	}}
}
