"""What of the objects that have arrived in a bucket becomes which restore point, and when: decided from listings and headers alone, so that
events may come twice, in any order, or never."""
