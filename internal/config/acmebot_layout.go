package config

import (
	"io/fs"
	"slices"
)

// acmebotFiles are the files of the layout `acmebot`, as patterns: acmebot's
// folders, names and modes. Parts that are not configured write nothing, and a
// file of nothing but them is left out.
func acmebotFiles(c *Certificate) []File {
	var (
		params = []Part{PartDHParams, PartECParams}
		leaf   = []Part{PartCertificate, PartChain}
	)
	whole := func(lists ...[]Part) []Part { return slices.Concat(append(lists, params)...) }
	files := []File{
		{Path: "/private/{name}{suffix}.key", Mode: 0o640, Content: []Part{PartKey}},
		{Path: "/private/{name}_full{suffix}.key", Mode: 0o640, Content: whole([]Part{PartKey}, leaf)},
		{Path: "/certs/{name}{suffix}.pem", Mode: 0o644, Content: whole(leaf)},
		{Path: "/certs/{name}_chain{suffix}.pem", Mode: 0o644, Content: []Part{PartChain}},
	}
	if !c.Root.None {
		files = append(files, File{Path: "/certs/{name}+root{suffix}.pem", Mode: 0o644, Content: whole(leaf, []Part{PartRoot})})
	}
	if c.DHParams.On() || len(c.ECParams) > 0 {
		files = append(files, File{Path: "/params/{name}_param.pem", Mode: fs.FileMode(0o640), Content: params})
	}
	if c.CSR != nil && c.CSR.KeyFile == "" {
		files = slices.DeleteFunc(files, File.holdsKey)
	}
	base := c.Path
	if base == "/" {
		base = ""
	}
	for i := range files {
		files[i].Path = base + files[i].Path
	}
	return files
}
