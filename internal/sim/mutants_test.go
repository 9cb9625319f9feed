package sim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/durable"
)

// leftBehind writes the first pair of a second kind of key again and again.
func leftBehind() Mutation {
	var mu sync.Mutex
	first := map[string][]byte{} // by certificate and file
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, create: func(path string, data []byte) []byte {
			version, file := filepath.Split(path)
			folder, _ := filepath.Split(filepath.Clean(version))
			if !strings.Contains(file, ".ecdsa-p384.") || !strings.Contains(folder, "/.versions/") {
				return data
			}
			mu.Lock()
			defer mu.Unlock()
			if before, ok := first[folder+file]; ok {
				return before
			}
			first[folder+file] = data
			return data
		}}
	}}
}

// oneKind is a CA that never signs for a certificate's second kind of key, and
// seems well.
func oneKind() Mutation {
	return Mutation{CA: func(_ map[string]*gate, _ string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || kindOf(r.URL.Path) == "finalize" && keyTypeIn(body) == "P-384" {
				panic(http.ErrAbortHandler)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		})
	}}
}

// keyTypeIn is the curve of the key in a finalize request.
func keyTypeIn(body []byte) string {
	var jws struct{ Payload string }
	var sent struct{ CSR string }
	if json.Unmarshal(body, &jws) != nil {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err != nil || json.Unmarshal(payload, &sent) != nil {
		return ""
	}
	der, err := base64.RawURLEncoding.DecodeString(sent.CSR)
	if err != nil {
		return ""
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return ""
	}
	if key, ok := csr.PublicKey.(*ecdsa.PublicKey); ok {
		return key.Curve.Params().Name
	}
	return ""
}

// impatient takes TLSA records for old ones as soon as they are published.
func impatient() Mutation {
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, create: func(path string, data []byte) []byte {
			var record map[string]any
			if !strings.Contains(path, "/records/groups/") || !bytes.Contains(data, []byte(`"tlsa"`)) || json.Unmarshal(data, &record) != nil {
				return data
			}
			age(record)
			text, err := json.Marshal(record)
			if err != nil {
				return data
			}
			return append(text, '\n')
		}}
	}}
}

// age makes all records in what is known of TLSA records old.
func age(known any) {
	facts, ok := known.(map[string]any)
	if !ok {
		return
	}
	records, _ := facts["records"].([]any)
	for _, r := range records {
		if r, ok := r.(map[string]any); ok {
			r["from"] = dawn().Format(time.RFC3339)
		}
	}
	for _, more := range facts {
		age(more)
	}
}

// unheard are CAs that are never heard when they are asked for something: "ocsp",
// "crl", "revoke-cert". Else they seem well.
func unheard(kind string) Mutation {
	return Mutation{CA: func(_ map[string]*gate, _ string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if kindOf(r.URL.Path) == kind {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}}
}

// hiding is a responder that says nothing of what is revoked.
func hiding() Mutation {
	return Mutation{CA: func(_ map[string]*gate, _ string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if kindOf(r.URL.Path) != "ocsp" {
				next.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			if said, err := ocsp.ParseResponse(answer.Body.Bytes(), nil); err == nil && said.Status == ocsp.Revoked {
				panic(http.ErrAbortHandler)
			}
			for k, v := range answer.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		})
	}}
}

// half writes half of each file of a folder.
func half(folder string) Mutation {
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, create: func(path string, data []byte) []byte {
			if strings.Contains(path, folder) {
				return data[:len(data)/2]
			}
			return data
		}}
	}}
}
