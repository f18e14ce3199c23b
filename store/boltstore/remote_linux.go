package boltstore

import (
	"os"
	"syscall"
)

// remoteFileSystem returns the name of the file system that f is on, if it is known to be one of
// another machine. The numbers are those of statfs(2).
func remoteFileSystem(f *os.File) string {
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &fs); err != nil {
		return ""
	}
	return remoteNames[uint32(fs.Type)] // the numbers have 32 bits
}

var remoteNames = map[uint32]string{
	0x6969:     "NFS",
	0x517b:     "SMB",
	0xff534d42: "SMB",
	0xfe534d42: "SMB",
	0x01021997: "9p",
	0x00c36400: "Ceph",
	0x0bd00bd0: "Lustre",
	0x5346414f: "AFS",
}
