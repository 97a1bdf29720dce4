package report

// shelf numbers things from 1 and keeps them, in order, until the other end has
// taken them. The oldest make room for new ones.
type shelf[T any] struct {
	first uint64 // the number of all[0]
	all   []T
	most  int
	room  func(T) int // that it takes; nil: 1 each
	used  int
}

// last is the number of the newest; 0 without one so far.
func (s *shelf[T]) last() uint64 {
	if s.first == 0 {
		return 0
	}
	return s.first + uint64(len(s.all)) - 1
}

// add puts x behind the others. dropped hears of what has to make room.
func (s *shelf[T]) add(x T, dropped func(T)) uint64 {
	if s.first == 0 {
		s.first = 1
	}
	s.all = append(s.all, x)
	s.used += s.size(x)
	for s.used > s.most && len(s.all) > 1 {
		dropped(s.all[0])
		s.pop()
	}
	return s.last()
}

func (s *shelf[T]) size(x T) int {
	if s.room == nil {
		return 1
	}
	return max(s.room(x), 1)
}

func (s *shelf[T]) pop() {
	var none T
	s.used -= s.size(s.all[0])
	s.all[0] = none
	s.all, s.first = s.all[1:], s.first+1
}

// taken forgets what is numbered up to n.
func (s *shelf[T]) taken(n uint64) {
	for len(s.all) > 0 && s.first <= n {
		s.pop()
	}
	if len(s.all) == 0 {
		s.all = nil // its memory: there may have been many
	}
}

// next is the first one after n, and its number; ok is false without one.
func (s *shelf[T]) next(n uint64) (number uint64, x T, ok bool) {
	number = max(n+1, s.first)
	if s.first == 0 || number > s.last() {
		return 0, x, false
	}
	return number, s.all[number-s.first], true
}

// at is the one numbered n; nil if it is not here any more.
func (s *shelf[T]) at(n uint64) *T {
	if s.first == 0 || n < s.first || n > s.last() {
		return nil
	}
	return &s.all[n-s.first]
}
