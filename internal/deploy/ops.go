package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// Verb is a kind of operation. The four are all that installing needs, so a
// caller that may not write itself can hand operations to a helper that may.
type Verb string

// The verbs.
const (
	VerbStage   Verb = "stage"   // make a file or symlink under a name that nobody reads
	VerbSwitch  Verb = "switch"  // bring what was staged to its path by one rename
	VerbRestore Verb = "restore" // put back what a switch replaced
	VerbService Verb = "service" // check a service or make it read its files
)

// Op is one operation: plain data.
type Op struct {
	Verb Verb `json:"verb"`

	Path   string `json:"path,omitempty"`   // what readers open
	Staged string `json:"staged,omitempty"` // where the new one waits for its switch
	Data   []byte `json:"-"`                // stage: the content of a file
	New    Node   `json:"new,omitzero"`     // what Path is to become
	Old    Node   `json:"old,omitzero"`     // what a switch replaces
	Kept   string `json:"kept,omitempty"`   // copy of an Old file, in the archive
	Aside  string `json:"aside,omitempty"`  // new name of an Old folder, beside Path

	Exact bool `json:"-"` // stage: the administrator gave the mode of the file

	Service *service.Service `json:"-"` // service: whom
	Reload  bool             `json:"-"` // service: tell it, else check it
}

// Kind says what stands at a path.
type Kind string

// The kinds.
const (
	KindNothing Kind = ""
	KindFile    Kind = "file"
	KindLink    Kind = "link"
	KindFolder  Kind = "folder"
	KindOther   Kind = "other" // a device, socket or pipe, or far too large
)

// Node is what stands at a path, or is to stand there.
type Node struct {
	Kind   Kind        `json:"kind,omitempty"`
	Link   string      `json:"link,omitempty"`   // text of a symlink
	SHA256 string      `json:"sha256,omitempty"` // of a file's content; of a symlink, where it leads to a file
	Mode   fs.FileMode `json:"mode,omitempty"`   // permission bits of that file
	UID    int         `json:"uid"`              // -1 leaves it
	GID    int         `json:"gid"`              // likewise
}

// same reports whether two nodes look alike to readers: the same text or the
// same content. Owner and mode are not compared.
func (n Node) same(m Node) bool {
	if n.Kind != m.Kind {
		return false
	}
	switch n.Kind {
	case KindFile:
		return n.SHA256 == m.SHA256
	case KindLink:
		return n.Link == m.Link
	}
	return true
}

// Image is how a target is to look like: its files with their content.
type Image struct {
	Link  string // the symlink that is switched; "" for files on their own
	Files []Want
	Tag   string // digest of all of it, short
}

// Want is a file of an Image.
type Want struct {
	slot
	Data   []byte
	SHA256 string // of Data, hex
}

// Path is where readers open the file.
func (w Want) Path() string { return w.name }

// Render says how a target looks like with a content. It proves first that
// the content fits together (*UnfitError).
func Render(t Target, c Content) (Image, error) {
	if t.Plain != nil {
		return t.renderPlain()
	}
	if err := c.Check(); err != nil {
		return Image{}, err
	}
	t = t.filled(c)
	s, err := t.shape(t.KeyTypes)
	if err != nil {
		return Image{}, err
	}
	if c, err = t.seal(c, s.slots); err != nil {
		return Image{}, err
	}
	image := Image{Link: s.link}
	all := sha256.New()
	if c.Version == PlaceholderVersion {
		image.Files = append(image.Files, s.marks()...)
	}
	for _, slot := range s.slots {
		pair, ok := c.pairFor(slot)
		if !ok && len(c.certs()) > 1 {
			continue // another one of the certificates has a key of that type
		}
		if !ok {
			return Image{}, fmt.Errorf("%s wants a %s pair, which version %s does not have", slot.name, slot.keyType, c.Version)
		}
		data, err := slot.content(pair, t)
		if err != nil {
			return Image{}, fmt.Errorf("make content of %s: %w", slot.name, err)
		}
		if len(data) == 0 && slot.optional() {
			continue
		}
		w := Want{slot: slot, Data: data, SHA256: digest(data)}
		fmt.Fprintf(all, "%q %s %o %q %q\n", w.name, w.SHA256, w.mode, w.owner, w.group)
		image.Files = append(image.Files, w)
	}
	image.Tag = hex.EncodeToString(all.Sum(nil))[:26]
	return image, nil
}

// filled is the target as c fills it: with the key types that it shows then,
// and that its private key is held elsewhere.
func (t Target) filled(c Content) Target {
	if leaf, err := chain.Parse(c.keyless().Leaf); err == nil && t.Public == nil {
		t.Public = leaf.Leaf().PublicKey
	}
	t.KeyTypes = t.Serving(c.keyTypes())
	return t
}

// Serving are the key types of which the target has files while what is
// installed has some: those that it wants, in its order. Where none of them is
// wanted, as until the first certificate of another kind of key, or after the
// restore of an older one, it is all that there is: see plan.Version.Serving.
func (t Target) Serving(has []string) []string {
	wanted := slices.DeleteFunc(slices.Clone(t.KeyTypes), func(keyType string) bool { return !slices.Contains(has, keyType) })
	if len(wanted) == 0 {
		return has
	}
	return wanted
}

// Facts are the files of the image as they are remembered.
func (i Image) Facts() []plan.File {
	var files []plan.File
	for _, w := range i.Files {
		files = append(files, plan.File{Path: w.name, SHA256: w.SHA256, Size: int64(len(w.Data))})
	}
	return files
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// State is what stands at a target's paths, and who is to own its files.
type State struct {
	Link    Node     // at Image.Link
	Foreign string   // something in a folder at Image.Link that no layout of ours has
	Beyond  string   // a file in the version folder at Image.Link that is of a kind of key which the image does not have
	Asides  []string // folders that were moved aside earlier
	Taken   []string // version folders that exist
	Files   []Node   // at Image.Files, in the same order
	UIDs    []int    // wanted owners of Image.Files, -1 for any
	GIDs    []int
}

// Plan says which operations bring a target from a state to its image, in
// their order; none when it looks like that already. It reads and writes
// nothing. An error means that something stands in the way that is not ours.
func Plan(image Image, have State) ([]Op, error) {
	if image.arrived(have) {
		return nil, nil
	}
	if image.Link != "" {
		return planFolder(image, have)
	}
	var stage, swtch []Op
	for i, w := range image.Files {
		old := have.Files[i]
		if w.fits(old, have.UIDs[i], have.GIDs[i]) {
			continue
		}
		if old.Kind == KindFolder || old.Kind == KindOther {
			return nil, &ForeignError{Path: w.name, What: "it is no file"}
		}
		op := w.op(stagedName(w.name, image.Tag), have.UIDs[i], have.GIDs[i])
		stage = append(stage, op)
		op.Verb, op.Data, op.Old = VerbSwitch, nil, old
		swtch = append(swtch, op)
	}
	return append(stage, swtch...), nil
}

// arrived reports whether everything is as it should be. A pair that the
// image does not have is still served as long as its files are there.
func (i Image) arrived(have State) bool {
	if have.Beyond != "" {
		return false
	}
	return len(i.unfit(have)) == 0
}

// unfit are the paths of files that are not as they should be.
func (i Image) unfit(have State) []string {
	var paths []string
	for n, w := range i.Files {
		if !w.fits(have.Files[n], have.UIDs[n], have.GIDs[n]) {
			paths = append(paths, w.name)
		}
	}
	return paths
}

// fits reports whether a file is as wanted. A mode that nobody asked for is
// left alone as long as it shows no private key to others.
func (w Want) fits(n Node, uid, gid int) bool {
	if n.SHA256 != w.SHA256 || uid >= 0 && n.UID != uid || gid >= 0 && n.GID != gid {
		return false
	}
	switch {
	case w.explicit || w.private() && gid >= 0:
		return n.Mode == w.mode
	case w.private():
		return n.Mode&^w.mode == 0
	default:
		return n.Mode&0o444 == 0o444
	}
}

// op stages the file.
func (w Want) op(staged string, uid, gid int) Op {
	return Op{
		Verb: VerbStage, Path: w.name, Staged: staged, Data: w.Data, Exact: w.explicit,
		New: Node{Kind: KindFile, SHA256: w.SHA256, Mode: w.mode, UID: uid, GID: gid},
	}
}

// versionsFolder holds, beside the symlinks of a layout, a folder for each
// certificate with its version folders.
const versionsFolder = ".versions"

// versions is the folder of the version folders of the target whose symlink is link.
func versions(link string) string {
	return filepath.Join(filepath.Dir(link), versionsFolder, filepath.Base(link))
}

// Versions is the folder in which the target's files are made, where its layout
// switches a folder as a whole, else "".
func (t Target) Versions() string {
	if lineage := t.Lineage(); lineage != "" && t.Plain == nil {
		return versions(lineage)
	}
	return ""
}

// planFolder makes a complete folder and points the symlink to it.
func planFolder(image Image, have State) ([]Op, error) {
	switch {
	case have.Link.Kind == KindFile || have.Link.Kind == KindOther:
		return nil, &ForeignError{Path: image.Link, What: "a symlink to a folder belongs there"}
	case have.Foreign != "":
		return nil, &ForeignError{Path: image.Link, What: "the folder holds " + have.Foreign + ", which is not ours"}
	}
	text := image.linkText(have)
	folder := filepath.Join(filepath.Dir(image.Link), text)
	var ops []Op
	for i, w := range image.Files {
		ops = append(ops, w.op(filepath.Join(folder, filepath.Base(w.name)), have.UIDs[i], have.GIDs[i]))
	}
	link := Op{
		Verb: VerbStage, Path: image.Link, Staged: stagedName(image.Link, image.Tag),
		New: Node{Kind: KindLink, Link: text, UID: -1, GID: -1},
	}
	ops = append(ops, link)
	link.Verb, link.Old = VerbSwitch, have.Link
	if have.Link.Kind == KindFolder {
		link.Aside = asideName(image.Link, len(have.Asides)+1)
	}
	return append(ops, link), nil
}

// asideMark stands in the names of folders of other tools that made way.
const asideMark = ".replaced-"

// asideName is where the folder at link goes: beside it, so that relative
// symlinks in it stay right. Certkeep never removes it.
func asideName(link string, n int) string {
	return fmt.Sprintf("%s/.%s%s%d", filepath.Dir(link), filepath.Base(link), asideMark, n)
}

// linkText is the text of the new symlink: a version folder that does not
// exist yet. One that does may still be read by somebody, or be half made.
func (i Image) linkText(have State) string {
	name := i.Tag
	for n := 1; slices.Contains(have.Taken, name); n++ {
		name = fmt.Sprintf("%s-%d", i.Tag, n)
	}
	return path.Join(versionsFolder, filepath.Base(i.Link), name)
}

// stagedName is the name beside path under which its successor waits. It is
// one of durable.Temp's form, so that whoever lists the folder knows it, and
// always the same for the same image, so that a retry finds it.
func stagedName(path, tag string) string {
	dir, base := filepath.Split(path)
	return dir + tempStem(base) + tempMark + strings.ToUpper(tag)
}

// tempMark stands in the names of temporaries, as those of package durable.
const tempMark = ".tmp-"

// tempStem is how the names of a file's temporaries begin.
func tempStem(base string) string { return "." + base[:min(len(base), 200)] }

// ForeignError says that something stands in the way that Certkeep did not
// put there and will not destroy.
type ForeignError struct {
	Path string
	What string
}

// Error says what is where, and what to do.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is in the way: %s; move it elsewhere", e.Path, e.What)
}
