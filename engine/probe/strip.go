package probe

// stripLength is how many results are kept for the console.
const stripLength = 44

// strip is the newest results of a target as people see them.
type strip struct {
	marks [stripLength]byte
	next  int
	count int
}

func (s *strip) add(pass, slow bool) {
	mark := byte('.')
	switch {
	case !pass:
		mark = 'X'
	case slow:
		mark = '^'
	}
	s.marks[s.next] = mark
	s.next = (s.next + 1) % stripLength
	s.count = min(s.count+1, stripLength)
}

// String returns the results, oldest first.
func (s *strip) String() string {
	out := make([]byte, 0, s.count)
	for i := range s.count {
		out = append(out, s.marks[(s.next-s.count+i+stripLength)%stripLength])
	}
	return string(out)
}
