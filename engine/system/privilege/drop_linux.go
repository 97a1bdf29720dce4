package privilege

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Root reports whether this process is root's.
func Root() bool { return os.Geteuid() == 0 }

// Become starts this program anew, with the same arguments, as another user who
// keeps only the permission to bind low ports. The directories are given to that
// user first. It does not return unless it failed, and then nothing has changed
// but, perhaps, to whom the directories belong.
func Become(name string, directories ...string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("become %s: %w; make the user, for example with «useradd --system %s»", name, err, name)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("become %s: %w", name, err)
	}
	if uid == 0 {
		return fmt.Errorf("become %s: that is root; name a user who may do less", name)
	}
	for _, d := range directories {
		if err := give(d, uid, gid); err != nil {
			return fmt.Errorf("become %s: %w", name, err)
		}
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("become %s: %w", name, err)
	}
	// Credentials are of a thread. This one gets them and becomes the process by its
	// exec, so that no other thread is left with more.
	runtime.LockOSThread()
	if err := reduce(uid, gid); err != nil {
		// The thread may have lost half of what it had: nobody may run on it.
		return fmt.Errorf("become %s: %w", name, err)
	}
	env := append(os.Environ(), "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username)
	return fmt.Errorf("become %s: start anew: %w", name, syscall.Exec(program, os.Args, env))
}

// give makes a directory and all in it another user's, as far as it is root's.
// Links are not followed.
func give(dir string, uid, gid int) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		if s, ok := i.Sys().(*syscall.Stat_t); ok && s.Uid == 0 {
			return os.Lchown(path, uid, gid)
		}
		return nil
	})
}

// bindLow is CAP_NET_BIND_SERVICE.
const bindLow = unix.CAP_NET_BIND_SERVICE

// reduce takes everything from the calling thread but one capability, and the way
// back to more.
func reduce(uid, gid int) error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep a capability: %w", err)
	}
	groups := [1]uint32{uint32(gid)}
	for _, c := range []struct {
		what string
		call uintptr
		a, b uintptr
		c    uintptr
	}{
		{"set the groups", unix.SYS_SETGROUPS, 1, uintptr(unsafe.Pointer(&groups[0])), 0},
		{"set the group", unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)},
		{"set the user", unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)},
	} {
		if _, _, e := unix.RawSyscall(c.call, c.a, c.b, c.c); e != 0 {
			return fmt.Errorf("%s: %w", c.what, e)
		}
	}
	runtime.KeepAlive(&groups)
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: 1 << bindLow, Permitted: 1 << bindLow, Inheritable: 1 << bindLow}}
	if err := unix.Capset(&head, &data[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, bindLow, 0, 0); err != nil {
		return fmt.Errorf("keep the permission to bind low ports: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	return nil
}
