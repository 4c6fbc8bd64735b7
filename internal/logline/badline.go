package logline

// BadLine says why a line is no record of its format. Its values are static: comparing pointers is comparing reasons.
type BadLine struct{ Reason string }

func (b *BadLine) Error() string { return b.Reason }
