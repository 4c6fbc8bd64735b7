package main

import (
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strings"
)

// sumColumn is where two forms of the query differ: DuckDB's fastest cannot give the length of a line.
const sumColumn = 4

// digest is the SHA-1 of rows as lines of cells with tabs between them, sorted as bytes.
func digest(rows [][]string) string {
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = strings.Join(row, "\t") + "\n"
	}
	slices.Sort(lines)
	h := sha1.New()
	for _, l := range lines {
		h.Write([]byte(l))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// withoutSum gives the rows without the sum.
func withoutSum(rows [][]string) [][]string {
	less := make([][]string, len(rows))
	for i, row := range rows {
		less[i] = slices.Delete(slices.Clone(row), sumColumn, sumColumn+1)
	}
	return less
}
