package logline

// BadLine says why a line is no record of its format. There is one value per reason, made once (for a Go consumer, once
// for each parser): refusing a line allocates nothing. errors.Is compares reasons.
type BadLine struct {
	// Reason is a short static text that holds nothing of the line, fit for a sample. A Go consumer chooses its own.
	Reason string
}

// Error returns the reason.
func (b *BadLine) Error() string { return b.Reason }

// Is reports whether target is a BadLine of the same reason.
func (b *BadLine) Is(target error) bool {
	other, ok := target.(*BadLine)
	return ok && other.Reason == b.Reason
}

// What can be wrong with a line of any format.
var (
	badJSONEnd     = &BadLine{"json: the line ends inside a value"}
	badJSONString  = &BadLine{"json: a string is not closed"}
	badJSONControl = &BadLine{"json: a control character in a string"}
	badJSONEscape  = &BadLine{"json: a bad escape in a string"}
	badJSONNumber  = &BadLine{"json: a bad number"}
	badJSONValue   = &BadLine{"json: something that is no value"}
	badJSONKey     = &BadLine{"json: a key is expected"}
	badJSONColon   = &BadLine{"json: a colon is expected after a key"}
	badJSONComma   = &BadLine{"json: a comma or the closing bracket is expected"}
	badJSONDepth   = &BadLine{"json: nested deeper than 10000"}
	badJSONTop     = &BadLine{"json: not an object"}
	badJSONAfter   = &BadLine{"json: something after the object"}

	badLogfmtPair   = &BadLine{"logfmt: no key=value pair"}
	badLogfmtKey    = &BadLine{"logfmt: a bad key"}
	badLogfmtQuote  = &BadLine{"logfmt: a quoted value is not closed"}
	badLogfmtAfter  = &BadLine{"logfmt: something after a closing quote"}
	badLogfmtEscape = &BadLine{"logfmt: a bad escape in a quoted value"}

	badTSVColumns = &BadLine{"tsv: not as many columns as configured"}
	badCSVColumns = &BadLine{"csv: not as many columns as configured"}
	badCSVQuote   = &BadLine{"csv: a quoted cell is not closed"}
	badCSVBare    = &BadLine{"csv: a quote inside an unquoted cell"}
	badCSVAfter   = &BadLine{"csv: something after a closing quote"}

	badRegexMatch = &BadLine{"regex: the line does not match the pattern"}

	badCombinedClient  = &BadLine{"combined: no client, identity and user"}
	badCombinedTime    = &BadLine{"combined: no [time]"}
	badCombinedRequest = &BadLine{"combined: no \"request\""}
	badCombinedStatus  = &BadLine{"combined: no status of three digits"}
	badCombinedBytes   = &BadLine{"combined: no number of bytes"}
	badCombinedTail    = &BadLine{"combined: no \"referer\" \"user agent\" after the bytes"}
)
