from tests.student import make_student
def test_x(tmp_path): make_student(tmp_path/"student")
