//go:build !linux

package realservers

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

func keepsAttributes(string) bool { return false }

// lock knows no lock here, so no folder that was left behind is removed.
func lock(*os.File) bool { return false }
