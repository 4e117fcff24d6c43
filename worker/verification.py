class Verification: pass
def run(x): pass
