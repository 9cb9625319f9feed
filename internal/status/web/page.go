package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

//go:embed assets
var assets embed.FS

const assetsPath = "/assets/"

// What a page shows at most.
const (
	usualRows  = 100
	mostRows   = 10_000
	mostShown  = 12 // of what needs a person
	mostEvents = 100
)

// asOf stands in a page for the instant that it speaks of, which is put there
// after the page's tag was made: that time went by changes nothing.
const asOf = "{{as of}}"

// pages are the templates of all pages. html/template escapes whatever it is
// given for the place where it stands; no function here says otherwise.
var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"moment": moment, "day": day, "join": strings.Join, "ago": away, "number": grouped, "plural": plural, "place": placeWords, "stateWord": stateWord, "short": shortHex, "beside": beside, "pieces": pieces,
}).ParseFS(assets, "assets/*.html"))

// frame is what every page has.
type frame struct {
	Title   string
	Node    string
	Version string
	State   status.State
	AsOf    string
	Now     time.Time
	Trouble string
	Login   bool // there is a gate, and it was passed
}

func (h *handler) frame(title string, s *status.Snapshot) frame {
	return frame{
		Title: title, Node: s.Node, Version: h.Build.Version, State: s.State(), AsOf: asOf, Now: s.Weighed, Trouble: s.Trouble, Login: h.gate != nil,
	}
}

// listPage is the page about all certificates.
type listPage struct {
	frame
	Attention []plan.Problem
	More      []codeCount // of what needs a person and is not shown
	Counts    []stateCount
	Total     int
	Ahead     *aheadChart
	Form      form
	States    []status.State
	Sorts     []string
	Axis      axis
	Rows      []rowView
	Found     int
	From, To  int
	Previous  string
	Next      string
	Leftover  []string
}

type codeCount struct {
	Code  plan.Code
	Count int
}

type stateCount struct {
	State  status.State
	Count  int
	Link   string
	Chosen bool
}

// form is the filter as it was asked for.
type form struct {
	Words, State, Issuer, Problem, Sort string
	Issuers                             []string
}

type rowView struct {
	*status.Row
	Bar bar
}

func (h *handler) page(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	q := r.URL.Query()
	f, err := filterOf(q)
	if err != nil {
		return err
	}
	if q.Get("sort") == "" {
		f.sort = sortUrgency
	}
	limit, err := number(q, "rows", usualRows, 1, mostRows)
	if err != nil {
		return err
	}
	offset, err := number(q, "offset", 0, 0, 1<<30)
	if err != nil {
		return err
	}
	rows, found := f.find(s, offset, limit)
	p := listPage{
		frame: h.frame("Certificates", s), Total: len(s.Rows), Counts: stateCounts(s, f), Ahead: ahead(s), Axis: axisOf(s.Weighed, rows),
		Form:  form{Words: f.words, State: string(f.state), Issuer: f.issuer, Problem: string(f.code), Sort: f.sort, Issuers: issuersOf(s)},
		Found: found, From: min(offset+1, found), To: min(offset+limit, found), Leftover: s.Leftover,
		States: []status.State{status.Critical, status.Warning, status.Unknown, status.OK}, Sorts: []string{sortUrgency, sortName, sortExpiry, sortRenewal},
	}
	p.Attention, p.More = attention(s)
	for _, row := range rows {
		p.Rows = append(p.Rows, rowView{Row: row, Bar: p.Axis.bar(row)})
	}
	if offset > 0 {
		p.Previous = pageLink(q, max(0, offset-limit))
	}
	if offset+limit < found {
		p.Next = pageLink(q, offset+limit)
	}
	return h.show(w, r, s, "list.html", p)
}

// attention is what needs a person: the worst, and how much more there is of
// each kind.
func attention(s *status.Snapshot) (shown []plan.Problem, more []codeCount) {
	all := s.Problems()
	first := min(len(all), mostShown) // there may be very many, and every visitor waits for this
	shown = plan.Together(all[:first])
	for _, p := range all[first:] {
		i := slices.IndexFunc(more, func(c codeCount) bool { return c.Code == p.Code })
		if i < 0 {
			i, more = len(more), append(more, codeCount{Code: p.Code})
		}
		more[i].Count++
	}
	return shown, more
}

func stateCounts(s *status.Snapshot, f filter) []stateCount {
	count := s.Counts()
	var all []stateCount
	for _, state := range []status.State{status.Critical, status.Warning, status.Unknown, status.OK} {
		if count[state] == 0 && state == status.Unknown {
			continue
		}
		c := stateCount{State: state, Count: count[state], Link: "/?state=" + string(state) + "#certificates", Chosen: f.state == state}
		if c.Chosen {
			c.Link = "/#certificates"
		}
		all = append(all, c)
	}
	return all
}

// mostIssuers bounds the choice of issuers; the config seldom has ten.
const mostIssuers = 100

func issuersOf(s *status.Snapshot) []string {
	seen := map[string]bool{}
	var all []string
	for i := range s.Rows {
		if issuer := s.Rows[i].Issuer; issuer != "" && !seen[issuer] && len(all) < mostIssuers {
			seen[issuer] = true
			all = append(all, issuer)
		}
	}
	slices.Sort(all)
	return all
}

func pageLink(q url.Values, offset int) string {
	q.Set("offset", strconv.Itoa(offset))
	if offset == 0 {
		q.Del("offset")
	}
	return "/?" + q.Encode() + "#certificates"
}

// certPage is the page about one certificate.
type certPage struct {
	frame
	Row    status.Row
	Cert   status.Certificate
	Axis   axis
	Bar    bar
	Events []status.Event // newest first
	Cut    int            // that are not shown
	Late   string         // why there are none
}

func (h *handler) certificatePage(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	c, ok := s.Certificate(r.PathValue("name"))
	if !ok {
		return notFound("The config has no certificate of that name.")
	}
	row, _ := s.Row(c.Name)
	p := certPage{frame: h.frame(c.Name, s), Row: row, Cert: c, Axis: lifeOf(s.Weighed, row)}
	p.Cert.Problems = plan.Together(c.Problems)
	p.Bar = p.Axis.bar(&row)
	events, err := h.events(r, c.Name)
	if err != nil {
		p.Late = err.Error()
	}
	slices.Reverse(events)
	p.Events = events[:min(len(events), mostEvents)]
	p.Cut = len(events) - len(p.Events)
	return h.show(w, r, s, "certificate.html", p)
}

// show writes a page. Its tag does not depend on when it was asked for.
func (h *handler) show(w http.ResponseWriter, r *http.Request, s *status.Snapshot, name string, view any) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, view); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	sum := sha256.Sum256(b.Bytes())
	body := bytes.Replace(b.Bytes(), []byte(asOf), []byte(s.At.Format("2006-01-02 15:04:05 MST")), 1)
	return sendTagged(w, r, "text/html; charset=utf-8", body, `"`+hex.EncodeToString(sum[:12])+`"`)
}

// asset gives the style and the script.
func (h *handler) asset(w http.ResponseWriter, r *http.Request, _ *status.Snapshot) error {
	kind := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(r.PathValue("file"))]
	body, err := assets.ReadFile("assets/" + r.PathValue("file"))
	if err != nil || kind == "" {
		return notFound("there is no such file")
	}
	w.Header().Set("Cache-Control", "no-cache") // it may be kept, and is asked for again
	return send(w, r, kind, body)
}

// showError is a page that says what is wrong.
func showError(w http.ResponseWriter, _ *http.Request, code int, words string) {
	showPlain(w, code, "error.html", struct {
		frame
		Words string
	}{frame{Title: http.StatusText(code)}, words})
}

// showLogin is the form that asks for the token.
func showLogin(w http.ResponseWriter, _ *http.Request, code int, wrong string) {
	showPlain(w, code, "login.html", struct {
		frame
		Wrong string
	}{frame{Title: "Sign in"}, wrong})
}

func showPlain(w http.ResponseWriter, code int, name string, view any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, view); err != nil {
		http.Error(w, http.StatusText(code), code)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // whoever asked may have left
}
