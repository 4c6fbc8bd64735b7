package stats

import "io"

// WriteCSV writes the rows of one statistic with a header, dimensions first, sorted. A missing value is an empty cell.
func WriteCSV(w io.Writer, p *Partial, statistic string) error { return errSkeleton }

// WriteJSON writes the rows of one statistic as a JSON array of objects, in the order of WriteCSV.
func WriteJSON(w io.Writer, p *Partial, statistic string) error { return errSkeleton }
