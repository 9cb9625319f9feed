package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

const (
	loginPath  = "/login"
	cookieName = "certkeep_status"
	cookieLife = 12 * time.Hour
)

// gate lets those in who know the token: as `Authorization: Bearer`, or by a
// cookie that the login form gives. The cookie is made from the token and
// worth nothing elsewhere; it ends when the token is changed.
type gate struct {
	token  [sha256.Size]byte
	cookie [sha256.Size]byte
}

func newGate(token []byte) *gate {
	mac := hmac.New(sha256.New, token)
	mac.Write([]byte("the cookie of certkeep's status page"))
	g := &gate{token: sha256.Sum256(token)}
	mac.Sum(g.cookie[:0])
	return g
}

// guard lets nobody pass without the token.
func (g *gate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == loginPath:
			g.login(w, r)
		case strings.HasPrefix(r.URL.Path, assetsPath), g.known(r): // how the page looks is no secret
			next.ServeHTTP(w, r)
		case wantsPage(r):
			http.Redirect(w, r, loginPath, http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="certkeep"`)
			refuse(w, r, http.StatusUnauthorized, "a token is needed: send Authorization: Bearer TOKEN")
		}
	})
}

// known reports whether a request carries the token, or the cookie made of it.
func (g *gate) known(r *http.Request) bool {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return g.fits(token)
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	sum, err := hex.DecodeString(cookie.Value)
	return err == nil && subtle.ConstantTimeCompare(sum, g.cookie[:]) == 1
}

// fits compares a token without telling by the time it takes how much fits.
func (g *gate) fits(token string) bool {
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// login shows the form, and gives the cookie to those who know the token.
func (g *gate) login(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		showLogin(w, r, http.StatusOK, "")
		return
	}
	if !g.fits(r.PostFormValue("token")) {
		showLogin(w, r, http.StatusForbidden, "That is not the token.")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: hex.EncodeToString(g.cookie[:]), Path: "/", MaxAge: int(cookieLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
