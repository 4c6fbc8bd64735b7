package stats

// Dim is the value of one dimension.
type Dim struct {
	Text string
	Null bool // the field was missing or null; Text is empty
}

// Row is one combination of dimension values with its measures. It is a view: valid until its partial changes.
type Row struct {
	Statistic string
	Dims      []Dim // in the order of Program.Columns
}

// Hash is the hash that Partial.Hashes gives for the row.
func (r Row) Hash() uint64 { return 0 }

// DimsJSON gives the dimension values as a JSON array of strings and nulls, the time bucket first.
func (r Row) DimsJSON() []byte { return nil }

// Key is the row's sort key in a table: DimsJSON up to 900 bytes, else its first 800 and a SHA-256.
func (r Row) Key() string { return "" }

// Day is the UTC day of the row's time bucket, "2018-03-24", or "-" where it has none.
func (r Row) Day() string { return "-" }

// Values are the measures as CSV prints them, in the order of Program.Columns; a missing value is empty.
func (r Row) Values() []string { return nil }

// MeasuresJSON gives a readable object of measure name to value.
func (r Row) MeasuresJSON() []byte { return nil }

// State is the exact, versioned state of the measures, for MergeRow.
func (r Row) State() []byte { return nil }
