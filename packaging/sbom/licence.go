package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// read reads what a module says of its licence, in its folder.
func (p *part) read(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for the licence of %s: %w", p.path, err)
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		wanted := slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"}, func(s string) bool { return strings.HasPrefix(name, s) })
		if !wanted || e.IsDir() || strings.HasSuffix(name, ".GO") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("read the licence of %s: %w", p.path, err)
		}
		p.texts = append(p.texts, strings.TrimSpace(string(text)))
		if p.licence == "" {
			p.licence = licenceOf(string(text))
		}
	}
	if p.licence == "" {
		return fmt.Errorf("%s: no licence that is known here in %s", p.path, dir)
	}
	return nil
}

// licenceOf is the SPDX identifier of a licence's text, "" for one that
// nobody has thought about yet.
func licenceOf(text string) string {
	flat := strings.Join(strings.Fields(text), " ")
	has := func(words string) bool { return strings.Contains(flat, words) }
	switch {
	case has("Apache License Version 2.0"):
		return "Apache-2.0"
	case has("Permission is hereby granted, free of charge, to any person obtaining a copy") && has("THE SOFTWARE IS PROVIDED \"AS IS\""):
		return "MIT"
	case has("Redistribution and use in source and binary forms") && (has("Neither the name of") || has("names of its contributors may")):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

// copyrightOf is our own licence and those of all parts, which want to be
// handed on with the program.
func copyrightOf(parts []part) string {
	var b strings.Builder
	b.WriteString("Certkeep, https://github.com/certkeep/certkeep\n\n" +
		"Licensed under the Apache License, Version 2.0: /usr/share/common-licenses/Apache-2.0,\n" +
		"http://www.apache.org/licenses/LICENSE-2.0. What it is linked from follows.\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "\n%s\n%s %s, %s\n\n", strings.Repeat("=", 78), p.path, p.version, p.licence)
		for _, text := range p.texts {
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}
