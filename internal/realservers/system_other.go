//go:build !linux

package realservers

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }

func keepsAttributes(string) bool { return false }
